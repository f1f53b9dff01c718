package tray

import (
	"slices"
	"strings"
)

// label makes a title show as it is on a desktop that takes some characters for marks of shortcuts. goos is Go's name of the system,
// and desktops is XDG_CURRENT_DESKTOP, a list with colons.
func label(title, goos, desktops string) string {
	switch {
	case goos == "windows":
		return strings.ReplaceAll(title, "&", "&&")
	case goos == "darwin":
		return title
	case slices.Contains(strings.Split(desktops, ":"), "GNOME"):
		// GNOME's extension takes away the first underscore, and shows the others as they are.
		return strings.Replace(title, "_", "__", 1)
	default:
		// As the specification of com.canonical.dbusmenu has it.
		return strings.ReplaceAll(title, "_", "__")
	}
}
