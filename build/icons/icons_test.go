package main

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

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
	for name, d := range drawings() {
		for file, want := range pictures(name, d) {
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

func TestEachIconStandsOutOnDarkAndLightPanels(t *testing.T) {
	for name, d := range drawings() {
		for _, size := range []int{16, 22, 64} {
			img := d.image(size)
			for panel, grey := range map[string]float64{"dark": 0x20, "light": 0xf4} {
				visible := 0
				for i := 0; i < len(img.Pix); i += 4 {
					alpha := float64(img.Pix[i+3]) / 255
					luma := 0.299*float64(img.Pix[i]) + 0.587*float64(img.Pix[i+1]) + 0.114*float64(img.Pix[i+2])
					if math.Abs(luma-grey)*alpha > 60 {
						visible++
					}
				}
				if share := float64(visible) / float64(size*size); share < 0.15 {
					t.Errorf("%s at %d px: only %.0f %% stands out on a %s panel", name, size, 100*share, panel)
				}
			}
		}
	}
}

// macOS draws a template in one colour, so the states must differ in shape.
func TestTemplatesAreBlackAndEachOfAShapeOfItsOwn(t *testing.T) {
	shapes := map[string]string{}
	for name, d := range drawings() {
		img := render(d.template, templateSize)
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

func TestEveryDrawingIsEmbeddedUnderItsName(t *testing.T) {
	other := assets.Icon("no such icon")
	for name := range drawings() {
		icon := assets.Icon(name)
		if len(icon) == 0 || name != "off" && bytes.Equal(icon, other) {
			t.Errorf("assets.Icon(%q) has %d bytes", name, len(icon))
		}
	}
}
