// Package assets holds the pictures that are built into the program. It knows nothing of when they are shown.
//
// There is one for each sign of app/session: off, working, on, attention and failed; one for each but off with the mark
// of production in its corner, such as on-production; and the mark alone, production.
package assets

import "fmt"

// Icon returns the picture of that name for a panel. It is an ICO file on Windows, and a PNG of 64 by 64 pixels
// elsewhere. An unknown name gets the picture for off.
func Icon(name string) []byte { return named(name, extension) }

// Picture returns the same as a PNG of 64 by 64 pixels on every system.
func Picture(name string) []byte { return named(name, ".png") }

func named(name, extension string) []byte {
	icon, err := icons.ReadFile(name + extension)
	if err != nil {
		icon, _ = icons.ReadFile("off" + extension) // embedded, so it is there
	}
	return icon
}

// Dot returns the picture of that name for a row of a menu: a PNG of size by size pixels, where size is 16 or 22. If
// there is none, it returns nil.
func Dot(name string, size int) []byte {
	dot, err := icons.ReadFile(fmt.Sprintf("%s-%d.png", name, size))
	if err != nil {
		return nil
	}
	return dot
}
