package assets

// Template returns the icon of that name as macOS' menu bar wants it: a PNG of 36 by 36 pixels, in black.
func Template(name string) []byte {
	icon, err := icons.ReadFile(name + "-template.png")
	if err != nil {
		return Icon(name)
	}
	return icon
}
