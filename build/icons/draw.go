package main

import (
	"image"
	"image/color"
	"math"
)

// A point has coordinates in units of the icon's width, from its upper left corner.
type point struct{ x, y float64 }

func (p point) plus(q point) point       { return point{p.x + q.x, p.y + q.y} }
func (p point) minus(q point) point      { return point{p.x - q.x, p.y - q.y} }
func (p point) times(f float64) point    { return point{p.x * f, p.y * f} }
func (p point) dot(q point) float64      { return p.x*q.x + p.y*q.y }
func (p point) distance(q point) float64 { return math.Hypot(p.x-q.x, p.y-q.y) }

// polar returns the point at a distance in a direction, with 0° to the right and 90° up.
func polar(length, degrees float64) point {
	angle := degrees * math.Pi / 180
	return point{length * math.Cos(angle), -length * math.Sin(angle)}
}

// A shape is a signed distance function: the distance of a point from its edge, negative inside.
type shape func(point) float64

// A layer is a shape in one colour. The outline around it separates it from a dark or light panel and from the layers
// below; a layer on top of another may omit it.
type layer struct {
	shape   shape
	fill    color.NRGBA
	outline float64
}

// drawing is a list of layers, the topmost first.
type drawing []layer

const (
	thin   = 0.04  // outline
	radius = 0.335 // of the ring, to the middle of its stroke
	stroke = 0.115
)

// drawings returns a drawing for each icon of the menu package. They differ in shape as well as in colour.
func drawings() map[string]drawing {
	grey := color.NRGBA{0xb4, 0xbc, 0xc8, 0xff}
	blue := color.NRGBA{0x4a, 0xa8, 0xff, 0xff}
	green := color.NRGBA{0x3d, 0xd0, 0x7c, 0xff}
	amber := color.NRGBA{0xff, 0xb4, 0x2e, 0xff}
	red := color.NRGBA{0xf0, 0x4b, 0x45, 0xff}
	white := color.NRGBA{0xff, 0xff, 0xff, 0xff}
	middle := point{0.5, 0.5}
	return map[string]drawing{
		// The ring alone.
		"off": {{ring(middle), grey, thin}},
		// The line is still far away: connecting.
		"working": {{dot(middle, 0.085), blue, thin}, {ring(middle), blue, thin}},
		// The line passes through.
		"on": {{dot(middle, 0.165), green, thin}, {ring(middle), green, thin}},
		// An exclamation mark: attention needed.
		"degraded": {{exclamation(middle), amber, thin}, {ring(middle), amber, thin}},
		// The ring is blocked.
		"failed": {{cross(middle), white, 0}, {disc(middle), red, thin}},
	}
}

func ring(middle point) shape {
	return func(p point) float64 { return math.Abs(p.distance(middle)-radius) - stroke/2 }
}

func line(a, b point) shape {
	return func(p point) float64 {
		along := b.minus(a)
		t := 0.0
		if length := along.dot(along); length > 0 {
			t = min(max(p.minus(a).dot(along)/length, 0), 1)
		}
		return p.distance(a.plus(along.times(t))) - stroke/2
	}
}

func dot(middle point, radius float64) shape {
	return func(p point) float64 { return p.distance(middle) - radius }
}

func disc(middle point) shape { return dot(middle, radius+stroke/2) }

func exclamation(middle point) shape {
	bar, below := line(middle.plus(polar(0.17, 90)), middle.plus(polar(0.03, 90))), dot(middle.plus(polar(0.17, -90)), stroke/2)
	return func(p point) float64 { return min(bar(p), below(p)) }
}

func cross(middle point) shape {
	const arm = 0.16
	rising := line(middle.plus(polar(arm, 45)), middle.plus(polar(arm, 45+180)))
	falling := line(middle.plus(polar(arm, -45)), middle.plus(polar(arm, -45+180)))
	return func(p point) float64 { return min(rising(p), falling(p)) }
}

// at returns the colour of one point, without smoothing.
func (d drawing) at(p point) color.NRGBA {
	for _, l := range d {
		switch distance := l.shape(p); {
		case distance <= 0:
			return l.fill
		case distance <= l.outline:
			return color.NRGBA{0x4b, 0x53, 0x60, 0xff}
		}
	}
	return color.NRGBA{}
}

// template returns the colour of one point of a template image for the macOS menu bar, which macOS draws in the bar's
// colour: black where the drawing has colour, and transparent at an outline or in a layer without one, which lies on
// another.
func (d drawing) template(p point) color.NRGBA {
	for _, l := range d {
		switch distance := l.shape(p); {
		case distance <= 0 && l.outline > 0:
			return color.NRGBA{A: 0xff}
		case distance <= max(l.outline, 0):
			return color.NRGBA{}
		}
	}
	return color.NRGBA{}
}

// image renders the drawing at a size in pixels. Each pixel is the mean of the points in it, which smooths edges.
func (d drawing) image(size int) *image.NRGBA { return render(d.at, size) }

func render(at func(point) color.NRGBA, size int) *image.NRGBA {
	const points = 8 // per row of a pixel
	img := image.NewNRGBA(image.Rect(0, 0, size, size))
	for y := range size {
		for x := range size {
			var r, g, b, n int
			for i := range points * points {
				c := at(point{
					(float64(x) + (float64(i%points)+0.5)/points) / float64(size),
					(float64(y) + (float64(i/points)+0.5)/points) / float64(size),
				})
				if c.A != 0 {
					r, g, b, n = r+int(c.R), g+int(c.G), b+int(c.B), n+1
				}
			}
			if n > 0 {
				img.SetNRGBA(x, y, color.NRGBA{uint8(r / n), uint8(g / n), uint8(b / n), uint8(n * 255 / (points * points))})
			}
		}
	}
	return img
}
