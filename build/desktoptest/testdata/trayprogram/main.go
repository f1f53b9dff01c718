// Command trayprogram is a small program with a tray icon and a menu with every kind of entry. It writes the labels of
// clicked entries to its standard output, one per line, and quits at a click on "quit".
package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"

	"fyne.io/systray"
)

func main() {
	systray.SetTitle("trayprogram")
	systray.Run(ready, nil)
}

func ready() {
	systray.SetIcon(icon())
	systray.SetTooltip("a tray program")
	systray.AddMenuItem("two names", "").Disable()
	toggle := systray.AddMenuItemCheckbox("alpha__beta", "", false)
	on := systray.AddMenuItem("alpha__beta is on", "")
	on.Hide()
	systray.AddSeparator()
	more := systray.AddMenuItem("more", "")
	first := more.AddSubMenuItem("first", "")
	second := more.AddSubMenuItem("second", "")
	quit := systray.AddMenuItem("quit", "")

	go func() {
		for range toggle.ClickedCh {
			fmt.Println("alpha_beta")
			if toggle.Checked() {
				toggle.Uncheck()
				on.Hide()
			} else {
				toggle.Check()
				on.Show()
			}
		}
	}()
	go say(first, "first")
	go say(second, "second")
	go func() {
		<-quit.ClickedCh
		fmt.Println("quit")
		systray.Quit()
	}()
}

func say(item *systray.MenuItem, label string) {
	for range item.ClickedCh {
		fmt.Println(label)
	}
}

// icon returns an orange square.
func icon() []byte {
	picture := image.NewRGBA(image.Rect(0, 0, 22, 22))
	draw.Draw(picture, picture.Bounds(), image.NewUniform(color.RGBA{R: 0xff, G: 0x80, A: 0xff}), image.Point{}, draw.Src)
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		panic(err)
	}
	return b.Bytes()
}
