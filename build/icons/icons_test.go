package main

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fairlead/app/menu"
	"fairlead/app/session"
	"fairlead/assets"
)

func decode(t *testing.T, file string) image.Image {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "assets", file))
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestCommittedIconsAreWhatTheProgramDraws(t *testing.T) {
	for _, name := range names() {
		for file, want := range pictures(name) {
			got := decode(t, file)
			if got.Bounds() != want.Bounds() {
				t.Errorf("%s is %v", file, got.Bounds())
				continue
			}
			for y := range want.Rect.Dy() {
				for x := range want.Rect.Dx() {
					if !close(color.NRGBAModel.Convert(got.At(x, y)).(color.NRGBA), want.NRGBAAt(x, y)) {
						t.Fatalf("%s differs at %d,%d: run go run ./build/icons", file, x, y)
					}
				}
			}
		}
		text, err := os.ReadFile(filepath.Join("..", "..", "assets", name+".ico"))
		if err != nil || len(text) < 6 || int(text[4]) != len(icoSizes()) || string(text[:4]) != "\x00\x00\x01\x00" {
			t.Errorf("%s.ico: %v, begins with % x", name, err, text[:min(6, len(text))])
		}
	}
}

// close reports whether two colours are equal up to differences in floating-point arithmetic between processors.
func close(a, b color.NRGBA) bool {
	near := func(x, y uint8) bool { return math.Abs(float64(x)-float64(y)) <= 3 }
	return a.A == 0 && b.A == 0 || near(a.R, b.R) && near(a.G, b.G) && near(a.B, b.B) && near(a.A, b.A)
}

func TestEachPictureStandsOutOnEveryPanel(t *testing.T) {
	for _, name := range names() {
		for _, size := range []int{16, 22, 64} {
			img := drawingOf(name, size).image()
			for _, panel := range panels() {
				visible := 0
				for i := 0; i < len(img.Pix); i += 4 {
					alpha := float64(img.Pix[i+3]) / 255
					c := color.NRGBA{img.Pix[i], img.Pix[i+1], img.Pix[i+2], 0xff}
					// On a grey panel, people who see no colours must see the picture, too.
					difference := math.Abs(luma(c) - luma(panel))
					if panel.B-panel.R > 0x20 {
						difference = distance(c, panel)
					}
					if difference*alpha > 60 {
						visible++
					}
				}
				if share := float64(visible) / float64(size*size); share < 0.15 {
					t.Errorf("%s at %d px: only %.0f %% stands out on %v", name, size, 100*share, panel)
				}
			}
		}
	}
}

func luma(c color.NRGBA) float64 {
	return 0.299*float64(c.R) + 0.587*float64(c.G) + 0.114*float64(c.B)
}

func distance(a, b color.NRGBA) float64 {
	return math.Hypot(math.Hypot(float64(a.R)-float64(b.R), float64(a.G)-float64(b.G)), float64(a.B)-float64(b.B))
}

// The edges of what is inside the signs fall between pixels, where a panel shows one of the sizes that there are.
func TestStrokesAreSharp(t *testing.T) {
	for _, size := range panelSizes() {
		for _, c := range []struct {
			sign         session.Sign
			stroke, fill color.NRGBA
			across       func(i int) (x, y int)
		}{
			{session.SignOn, white, green, func(i int) (x, y int) { return size * 3 / 8, size*3/8 + i }},
			{session.SignWorking, white, blue, func(i int) (x, y int) { return size/4 + i, size/2 - 1 }},
			{session.SignAttention, ink, amber, func(i int) (x, y int) { return size*3/8 + i, size / 2 }},
		} {
			img := drawingOf(string(c.sign), size).image()
			strokes := 0
			for i := range size / 4 {
				x, y := c.across(i)
				switch img.NRGBAAt(x, y) {
				case c.stroke:
					strokes++
				case c.fill:
				default:
					t.Errorf("%s at %d px: %d,%d is %v, neither its stroke nor what is around it", c.sign, size, x, y, img.NRGBAAt(x, y))
				}
			}
			if strokes < 2 || strokes == size/4 {
				t.Errorf("%s at %d px: %d of %d pixels are the stroke", c.sign, size, strokes, size/4)
			}
		}
	}
}

// At the sizes of panels the mark of production is large, its letter is bold, and it leaves the sign's own shape to see.
func TestTheMarkOfProductionIsSeenAtEverySize(t *testing.T) {
	for _, size := range panelSizes() {
		for _, sign := range session.Signs() {
			name := string(sign) + "-" + production
			if !slices.Contains(names(), name) {
				continue
			}
			img := drawingOf(name, size).image()
			mark := 0
			for y := range size {
				for x := range size {
					if c := img.NRGBAAt(x, y); c == violet || c == white && x >= size/2 && y >= size*2/5 {
						mark++
					}
				}
			}
			if share := float64(mark) / float64(size*size); share < 0.18 {
				t.Errorf("%s at %d px: the mark covers %.0f %%", name, size, 100*share)
			}
			leg := size - max(2, size/8) // the letter's stem alone
			if bold := slices.Max(runs(img, leg, white)); float64(bold) < float64(size)/10 {
				t.Errorf("%s at %d px: the letter's stem is %d wide", name, size, bold)
			}
		}
		dots := drawingOf(string(session.SignWorking)+"-"+production, size).image()
		if n := len(runs(dots, size*5/16, white)); n != 3 {
			t.Errorf("at %d px there are %d dots", size, n)
		}
	}
}

// runs returns the lengths of what has a colour in a row of a picture, from left to right.
func runs(img *image.NRGBA, y int, c color.NRGBA) []int {
	var all []int
	inside := false
	for x := range img.Rect.Dx() {
		is := img.NRGBAAt(x, y) == c
		if is && !inside {
			all = append(all, 0)
		}
		if is {
			all[len(all)-1]++
		}
		inside = is
	}
	return all
}

// macOS draws a template in one colour, so the states must differ in shape.
func TestTemplatesAreBlackAndEachOfAShapeOfItsOwn(t *testing.T) {
	shapes := map[string]string{}
	for _, name := range names() {
		img := render(drawingOf(name, templateSize).template, templateSize)
		var shape []byte
		visible := 0
		for i := 0; i < len(img.Pix); i += 4 {
			if img.Pix[i] != 0 || img.Pix[i+1] != 0 || img.Pix[i+2] != 0 {
				t.Fatalf("%s has a colour", name)
			}
			if shape = append(shape, img.Pix[i+3]/64); img.Pix[i+3] > 0 {
				visible++
			}
		}
		if share := float64(visible) / templateSize / templateSize; share < 0.15 || share > 0.8 {
			t.Errorf("%s covers %.0f %%", name, 100*share)
		}
		if other := shapes[string(shape)]; other != "" {
			t.Errorf("%s looks like %s", name, other)
		}
		shapes[string(shape)] = name
	}
}

func TestEveryPictureIsEmbeddedUnderItsName(t *testing.T) {
	other := assets.Icon("no such icon")
	for _, name := range names() {
		icon := assets.Icon(name)
		if len(icon) == 0 || name != "off" && bytes.Equal(icon, other) {
			t.Errorf("assets.Icon(%q) has %d bytes", name, len(icon))
		}
		for _, size := range []int{16, 22} {
			dot, err := png.Decode(bytes.NewReader(assets.Dot(name, size)))
			if err != nil || dot.Bounds().Dx() != size {
				t.Errorf("assets.Dot(%q, %d): %v", name, size, err)
			}
		}
	}
	if assets.Dot("no such icon", 16) != nil {
		t.Error("there is a dot without a name")
	}
}

// What the menu asks for must be there.
func TestEveryIconOfTheMenuIsDrawn(t *testing.T) {
	for _, phase := range []session.Phase{session.Off, session.Starting, session.On, session.Unavailable, session.Stopping, session.Failed} {
		for _, trouble := range []session.Trouble{"", session.LoginNeeded} {
			for _, prod := range []bool{false, true} {
				name := menu.Icon(session.Snapshot{Contexts: []session.State{
					{Phase: session.On, Production: prod}, {Phase: phase, Trouble: trouble, Production: prod},
				}})
				if !slices.Contains(names(), name) || prod != strings.HasSuffix(name, production) {
					t.Errorf("%s, production %v: %q", phase, prod, name)
				}
			}
		}
	}
}
