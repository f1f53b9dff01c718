package main

import (
	"image"
	"image/color"
	"image/draw"
)

// panels are the colours that pictures must stand out on.
func panels() []color.NRGBA {
	return []color.NRGBA{{0xf4, 0xf4, 0xf4, 0xff}, {0x20, 0x23, 0x26, 0xff}, {0x33, 0x55, 0x77, 0xff}, {0x1d, 0x4f, 0xa8, 0xff}}
}

// sheet returns all pictures at one size on all panels, as they are and enlarged, to be looked at.
func sheet(size, times int) *image.NRGBA {
	all := names()
	cell, gap := size*times, 8
	row := cell + 2*gap + size
	img := image.NewNRGBA(image.Rect(0, 0, len(all)*(cell+gap), len(panels())*row))
	for i, panel := range panels() {
		top := i * row
		draw.Draw(img, image.Rect(0, top, img.Rect.Dx(), top+row), image.NewUniform(panel), image.Point{}, draw.Src)
		for j, name := range all {
			picture := drawingOf(name, size).image()
			left := j * (cell + gap)
			draw.Draw(img, image.Rect(left, top+gap/2, left+size, top+gap/2+size), picture, image.Point{}, draw.Over)
			large := image.NewNRGBA(image.Rect(0, 0, cell, cell))
			for y := range cell {
				for x := range cell {
					large.SetNRGBA(x, y, picture.NRGBAAt(x/times, y/times))
				}
			}
			draw.Draw(img, large.Rect.Add(image.Pt(left, top+gap+size)), large, image.Point{}, draw.Over)
		}
	}
	return img
}
