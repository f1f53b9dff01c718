package main

import "math"

// A point has coordinates in pixels, from the upper left corner of the picture.
type point struct{ x, y float64 }

func (p point) minus(q point) point { return point{p.x - q.x, p.y - q.y} }
func (p point) length() float64     { return math.Hypot(p.x, p.y) }

// A shape is a signed distance function: the distance of a point from its edge, negative inside.
type shape func(point) float64

func disc(middle point, radius float64) shape {
	return func(p point) float64 { return p.minus(middle).length() - radius }
}

// ring returns a ring with an outer radius.
func ring(middle point, radius, stroke float64) shape {
	whole, hole := disc(middle, radius), disc(middle, radius-stroke)
	return func(p point) float64 { return max(whole(p), -hole(p)) }
}

// box returns an upright rectangle with round corners.
func box(from, to point, corner float64) shape {
	half := point{(to.x-from.x)/2 - corner, (to.y-from.y)/2 - corner}
	return func(p point) float64 {
		x, y := math.Abs(p.x-(from.x+to.x)/2)-half.x, math.Abs(p.y-(from.y+to.y)/2)-half.y
		return point{max(x, 0), max(y, 0)}.length() + min(max(x, y), 0) - corner
	}
}

// line returns a line with round ends.
func line(a, b point, stroke float64) shape {
	return func(p point) float64 { return fromSegment(p, a, b) - stroke/2 }
}

// polygon returns a polygon whose edges are moved outwards, which rounds its corners.
func polygon(outwards float64, corners ...point) shape {
	return func(p point) float64 {
		distance, inside := math.Inf(1), false
		for i, b := range corners {
			a := corners[(i+len(corners)-1)%len(corners)]
			distance = min(distance, fromSegment(p, a, b))
			if (a.y > p.y) != (b.y > p.y) && p.x < a.x+(b.x-a.x)*(p.y-a.y)/(b.y-a.y) {
				inside = !inside
			}
		}
		if inside {
			distance = -distance
		}
		return distance - outwards
	}
}

func union(shapes ...shape) shape {
	return func(p point) float64 {
		nearest := math.Inf(1)
		for _, s := range shapes {
			nearest = min(nearest, s(p))
		}
		return nearest
	}
}

// without returns a shape that lacks another.
func without(s, hole shape) shape {
	return func(p point) float64 { return max(s(p), -hole(p)) }
}

// fromSegment returns the distance of p from the line between a and b.
func fromSegment(p, a, b point) float64 {
	along, to := b.minus(a), p.minus(a)
	t := min(max((to.x*along.x+to.y*along.y)/(along.x*along.x+along.y*along.y), 0), 1)
	return to.minus(point{along.x * t, along.y * t}).length()
}
