// Command icons draws the tray's icons into assets: `go run ./build/icons` at the top of the repository.
//
// The drawing is a fairlead: a ring through which a line passes, seen along the line. It is not run by the build; its
// output is committed, and a test compares the two.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
)

// Panels show icons at 16 to 64 pixels. Those that accept one picture only scale down better than up.
const pngSize = 64

// panelSizes returns the further sizes that panels of Linux desktops can choose from.
func panelSizes() []int { return []int{16, 22, 24, 32, 48} }

// templateSize is 18 points, the size of macOS menu bar icons, at double resolution.
const templateSize = 36

// icoSizes returns the sizes that Windows uses at scales of 100 % to 400 %.
func icoSizes() []int { return []int{16, 20, 24, 32, 40, 48, 64} }

func main() {
	dir := flag.String("o", "assets", "the directory to write to")
	size := flag.Int("sheet", 0, "write only sheet.png, in which all pictures of this size are enlarged on several panels")
	flag.Parse()
	write := func() error { return writeAll(*dir) }
	if *size > 0 {
		write = func() error { return writePNG(filepath.Join(*dir, "sheet.png"), sheet(*size, 128 / *size)) }
	}
	if err := write(); err != nil {
		fmt.Fprintln(os.Stderr, "icons:", err)
		os.Exit(1)
	}
}

func writeAll(dir string) error {
	for _, name := range names() {
		for file, img := range pictures(name) {
			if err := writePNG(filepath.Join(dir, file), img); err != nil {
				return err
			}
		}
		var images []*image.NRGBA
		for _, size := range icoSizes() {
			images = append(images, drawingOf(name, size).image())
		}
		if err := os.WriteFile(filepath.Join(dir, name+".ico"), ico(images), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func writePNG(file string, img image.Image) error {
	var picture bytes.Buffer
	if err := png.Encode(&picture, img); err != nil {
		return fmt.Errorf("encode %s: %w", file, err)
	}
	return os.WriteFile(file, picture.Bytes(), 0o644)
}

// pictures returns the PNG files of one picture, by name.
func pictures(name string) map[string]*image.NRGBA {
	files := map[string]*image.NRGBA{
		name + ".png":          drawingOf(name, pngSize).image(),
		name + "-template.png": render(drawingOf(name, templateSize).template, templateSize),
	}
	for _, size := range panelSizes() {
		files[fmt.Sprintf("%s-%d.png", name, size)] = drawingOf(name, size).image()
	}
	return files
}
