// Package assets holds the pictures that are built into the program. It knows nothing of when they are shown.
package assets

// Icon returns the tray icon of that name: off, working, on, degraded or failed. It is an ICO file on Windows, and a PNG of 64 by 64
// pixels elsewhere. An unknown name gets the icon for off.
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
