package main

import (
	"image/color"
	"math"
	"strings"

	"fairlead/app/session"
)

var (
	grey   = color.NRGBA{0x8f, 0x9b, 0xab, 0xff}
	blue   = color.NRGBA{0x2f, 0x8d, 0xf5, 0xff}
	green  = color.NRGBA{0x22, 0xa8, 0x5f, 0xff}
	amber  = color.NRGBA{0xf5, 0xa3, 0x00, 0xff}
	red    = color.NRGBA{0xe2, 0x3b, 0x35, 0xff}
	violet = color.NRGBA{0xb0, 0x3a, 0xc8, 0xff}
	white  = color.NRGBA{0xff, 0xff, 0xff, 0xff}
	ink    = color.NRGBA{0x2a, 0x1f, 0x00, 0xff}
)

// A grid places the parts of a picture. Strokes have whole widths and edges that fall between pixels, so that they are
// sharp at the small sizes of panels.
type grid struct{ size float64 }

// part returns a length in pixels, from one in sixteenths of the picture.
func (g grid) part(sixteenths float64) float64 { return g.size / 16 * sixteenths }

// edge returns a length as a whole number of pixels.
func (g grid) edge(sixteenths float64) float64 { return math.Round(g.part(sixteenths)) }

// stroke returns the width of a stroke as a whole number of pixels, and its middle: that of the picture, or half a pixel
// before it so that both edges of the stroke are between pixels.
func (g grid) stroke(sixteenths float64) (width, middle float64) {
	width = max(2, g.edge(sixteenths))
	return width, math.Floor(g.size/2-width/2) + width/2
}

func (g grid) middle() point { return point{g.size / 2, g.size / 2} }

// radius is that of the signs' discs. It leaves room for the rim.
func (g grid) radius() float64 { return math.Round(g.part(13.6)/2*2) / 2 }

// names returns the names of all pictures: of each sign, of each sign while a production context is on, and the mark
// of production alone.
func names() []string {
	all := []string{production}
	for _, sign := range session.Signs() {
		all = append(all, string(sign))
		if sign != session.SignOff {
			all = append(all, string(sign)+"-"+production)
		}
	}
	return all
}

const production = session.ProductionPicture

// drawingOf returns a picture at a size. The signs differ in shape as well as in colour: the ring of a fairlead, which a
// line is led through when it is on.
func drawingOf(name string, size int) drawing {
	g := grid{float64(size)}
	if name == production {
		return drawing{size: size, layers: g.plate(), rim: g.part(0.5)}
	}
	sign, marked := strings.CutSuffix(name, "-"+production)
	if !marked {
		return drawing{size, g.sign(session.Sign(sign)), g.rim(session.Sign(sign))}
	}
	// The sign makes room for the mark, which would cover the middle of a larger one.
	smaller := grid{g.edge(11)}
	return drawing{size, append(g.badge(), smaller.sign(session.Sign(sign))...), smaller.rim(session.Sign(sign))}
}

// rim returns the width of the rim around a sign.
func (g grid) rim(sign session.Sign) float64 {
	if sign == session.SignOff {
		return g.part(0.25)
	}
	return g.part(0.5)
}

func (g grid) sign(sign session.Sign) []layer {
	switch sign {
	case session.SignWorking:
		return []layer{{g.dots(), white, true}, {shape: disc(g.middle(), g.radius()), fill: blue}}
	case session.SignOn:
		return []layer{{g.arrow(), white, true}, {shape: disc(g.middle(), g.radius()), fill: green}}
	case session.SignAttention:
		mark, triangle := g.warning()
		return []layer{{mark, ink, true}, {shape: triangle, fill: amber}}
	case session.SignFailed:
		return []layer{{g.cross(), white, true}, {shape: g.octagon(), fill: red}}
	default:
		return []layer{{shape: ring(g.middle(), g.radius(), g.edge(2)), fill: grey}}
	}
}

// dots are three in a row: something is under way.
func (g grid) dots() shape {
	width, middle := g.stroke(2.1)
	pitch := max(width+1, g.edge(3.4))
	var all []shape
	for i := range 3 {
		x := middle + float64(i-1)*pitch
		all = append(all, box(point{x - width/2, middle - width/2}, point{x + width/2, middle + width/2}, (width-2)*0.3))
	}
	return union(all...)
}

// arrow leads inwards.
func (g grid) arrow() shape {
	width, middle := g.stroke(2.4)
	tip, head := g.edge(12.3), g.part(3.3)
	back := tip - head - g.part(0.3)
	return union(
		box(point{g.edge(3.6), middle - width/2}, point{tip - head/2, middle + width/2}, g.part(0.2)),
		polygon(g.part(0.25), point{back, middle - head}, point{tip, middle}, point{back, middle + head}))
}

// warning returns a triangle and the exclamation mark in it.
func (g grid) warning() (mark, triangle shape) {
	width, middle := g.stroke(2.1)
	left, right, below := middle-width/2, middle+width/2, g.size-g.edge(3)
	bar := box(point{left, g.edge(5)}, point{right, below - width - g.edge(1.2)}, g.part(0.2))
	foot, half := g.size-g.part(2.2), g.part(6.1)
	return union(bar, box(point{left, below - width}, point{right, below}, g.part(0.2))),
		polygon(g.part(1.2), point{middle, g.part(2)}, point{middle + half, foot}, point{middle - half, foot})
}

func (g grid) octagon() shape {
	round := g.part(0.5)
	far := g.radius() - round
	near := far * math.Tan(math.Pi/8)
	var corners []point
	for _, c := range []point{{-near, -far}, {near, -far}, {far, -near}, {far, near}, {near, far}, {-near, far}, {-far, near}, {-far, -near}} {
		corners = append(corners, point{g.size/2 + c.x, g.size/2 + c.y})
	}
	return polygon(round, corners...)
}

func (g grid) cross() shape {
	low, high := g.part(5), g.size-g.part(5)
	return union(line(point{low, low}, point{high, high}, g.part(2.1)), line(point{high, low}, point{low, high}, g.part(2.1)))
}

// plate is the mark of production alone.
func (g grid) plate() []layer {
	return g.letter(point{g.edge(2), g.edge(2)}, point{g.size - g.edge(2), g.size - g.edge(2)}, 3, 2.5)
}

// badge is the mark of production in the corner of a sign, and the gap between them.
func (g grid) badge() []layer {
	from, to := point{math.Ceil(g.size - g.part(7)), math.Ceil(g.size - g.part(9))}, point{g.size, g.size}
	gap := math.Floor(g.part(1))
	around := box(point{from.x - gap, from.y - gap}, point{to.x + gap, to.y + gap}, g.part(1))
	return append(g.letter(from, to, 1, 1), layer{around, color.NRGBA{}, true})
}

// letter is a bold P on a field, with a margin to the left and right of it and one above and below. It is 5 wide and 7
// high in the unit of the margins.
func (g grid) letter(from, to point, marginX, marginY float64) []layer {
	width, height := (to.x-from.x)/(5+2*marginX), (to.y-from.y)/(7+2*marginY)
	at := func(x, y float64) point {
		return point{from.x + math.Round((marginX+x)*width), from.y + math.Round((marginY+y)*height)}
	}
	stem := box(at(0, 0), at(2, 7), 0)
	bowl := without(box(at(0, 0), at(5, 4.4), g.part(0.8)), box(at(2, 1.4), at(3, 3), 0))
	return []layer{
		{union(stem, bowl), white, true},
		{shape: box(from, to, g.part(0.8)), fill: violet},
	}
}
