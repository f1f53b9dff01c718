package tray

import (
	"regexp"
	"slices"
	"strings"
)

// label returns a title that a desktop shows unchanged, although it treats some characters as marks of shortcuts. goos
// is Go's name of the system, and desktops is XDG_CURRENT_DESKTOP, a list with colons.
func label(title, goos, desktops string) string {
	switch {
	case goos == "windows":
		return strings.ReplaceAll(title, "&", "&&")
	case goos == "darwin":
		return title
	case isGNOMEShell(desktops):
		// GNOME's extension removes the first underscore that is followed by another character, and shows the others
		// unchanged.
		if at := mnemonic.FindStringIndex(title); at != nil {
			return title[:at[0]] + "_" + title[at[0]:]
		}
		return title
	default:
		// This is the escape of the specification of com.canonical.dbusmenu.
		return strings.ReplaceAll(title, "_", "__")
	}
}

var mnemonic = regexp.MustCompile(`_[^_]`)

// isGNOMEShell reports whether XDG_CURRENT_DESKTOP names GNOME Shell, and not a desktop that is like GNOME but has a
// panel of its own.
func isGNOMEShell(desktops string) bool {
	names := strings.Split(desktops, ":")
	return slices.Contains(names, "GNOME") && !slices.Contains(names, "Budgie") && !slices.Contains(names, "GNOME-Flashback")
}
