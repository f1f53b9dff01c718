package main

import (
	"image"
	"image/color"
)

// A layer is a shape in one colour.
type layer struct {
	shape shape
	fill  color.NRGBA
	// hole marks what a picture in one colour leaves out: white on a coloured disc, for example. A hole without a fill
	// is one in every picture.
	hole bool
}

// A drawing is a picture at one size in pixels: layers, the topmost first, and a rim around all of them, which separates
// them from a panel of a similar colour.
type drawing struct {
	size   int
	layers []layer
	rim    float64
}

// rimColour is light: what is drawn is dark enough for light panels, on which the rim is not seen.
var rimColour = color.NRGBA{0xff, 0xff, 0xff, 0x78}

// at returns the colour of one point, without smoothing.
func (d drawing) at(p point) color.NRGBA {
	nearest := d.rim
	for _, l := range d.layers {
		distance := l.shape(p)
		if distance <= 0 {
			return l.fill
		}
		if l.fill.A > 0 {
			nearest = min(nearest, distance)
		}
	}
	if nearest < d.rim {
		return rimColour
	}
	return color.NRGBA{}
}

// template returns the colour of one point of a template image for the macOS menu bar, which macOS draws in the bar's
// colour.
func (d drawing) template(p point) color.NRGBA {
	for _, l := range d.layers {
		if l.shape(p) <= 0 {
			if l.hole {
				return color.NRGBA{}
			}
			return color.NRGBA{A: 0xff}
		}
	}
	return color.NRGBA{}
}

// image renders the drawing. Each pixel is the mean of the points in it, which smooths edges.
func (d drawing) image() *image.NRGBA { return render(d.at, d.size) }

func render(at func(point) color.NRGBA, size int) *image.NRGBA {
	const points = 8 // per row of a pixel
	img := image.NewNRGBA(image.Rect(0, 0, size, size))
	for y := range size {
		for x := range size {
			var r, g, b, a int // the colours are weighted by their opacity
			for i := range points * points {
				c := at(point{float64(x) + (float64(i%points)+0.5)/points, float64(y) + (float64(i/points)+0.5)/points})
				alpha := int(c.A)
				r, g, b, a = r+int(c.R)*alpha, g+int(c.G)*alpha, b+int(c.B)*alpha, a+alpha
			}
			if a > 0 {
				img.SetNRGBA(x, y, color.NRGBA{uint8(r / a), uint8(g / a), uint8(b / a), uint8(a / (points * points))})
			}
		}
	}
	return img
}
