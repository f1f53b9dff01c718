//go:build linux

package desktoptest

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

func TestMouseReachesEntriesAndSubmenus(t *testing.T) {
	d := Start(t, Options{Panel: true})
	program := d.Run(t, trayProgram)
	item := d.Tray(t, "trayprogram")

	item.ClickWithMouse(t, "alpha_beta")
	waitFor(t, "the program to be clicked", nil, func() bool { return program.Stdout() == "alpha_beta\n" })
	item.WaitAt(t, "alpha_beta is on")

	// The menu now has one more entry.
	item.ClickWithMouse(t, "more", "first")
	waitFor(t, "the program to be clicked", nil, func() bool { return program.Stdout() == "alpha_beta\nfirst\n" })

	d.OpenMenu(t)
	d.CloseMenu(t)
	item.ClickWithMouse(t, "quit")
	if code := program.Wait(t); code != 0 {
		t.Errorf("the program ended with %d", code)
	}
}

func TestKeyboardReachesEntries(t *testing.T) {
	d := Start(t, Options{Panel: true})
	program := d.Run(t, trayProgram)
	d.Tray(t, "trayprogram")
	d.OpenMenu(t)
	d.Key(t, "Down", "Return")
	waitFor(t, "the program to be clicked", nil, func() bool { return program.Stdout() == "alpha_beta\n" })
}

func TestScreenshotShowsIconAndMenu(t *testing.T) {
	d := Start(t, Options{Panel: true, Width: 800, Height: 400})
	d.Run(t, trayProgram)
	menus := d.Tray(t, "trayprogram").Point(t, "more", "second")
	if len(menus) != 2 {
		t.Fatalf("open are %v", menus)
	}
	file := filepath.Join(t.TempDir(), "screen.png")

	d.Screenshot(t, file, image.Rectangle{})
	screen := decode(t, file)
	if screen.Bounds().Size() != image.Pt(800, 400) {
		t.Errorf("the picture of the screen is %v", screen.Bounds())
	}
	icon := d.IconAt()
	var colour color.Color
	// Until it has read the icon, a panel draws a placeholder.
	waitFor(t, "the icon to be orange", func() string { return fmt.Sprintf("it is %v", colour) }, func() bool {
		d.Screenshot(t, file, image.Rectangle{})
		colour = color.RGBAModel.Convert(decode(t, file).At(icon.X, icon.Y))
		return colour == color.RGBA{R: 0xff, G: 0x80, A: 0xff}
	})

	area := menus[0].Union(menus[1])
	d.Screenshot(t, file, area)
	if got := decode(t, file).Bounds(); got != (image.Rectangle{Max: area.Size()}) {
		t.Errorf("the picture of %v is %v", area, got)
	}
}

func decode(t *testing.T, file string) image.Image {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return picture
}
