package tray

import (
	"regexp"
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
	case isGNOMEShell(desktops):
		// GNOME's extension takes away the first underscore that something else follows, and shows the others as they are.
		if at := mnemonic.FindStringIndex(title); at != nil {
			return title[:at[0]] + "_" + title[at[0]:]
		}
		return title
	default:
		// As the specification of com.canonical.dbusmenu has it.
		return strings.ReplaceAll(title, "_", "__")
	}
}

var mnemonic = regexp.MustCompile(`_[^_]`)

// isGNOMEShell tells GNOME Shell from desktops that are like GNOME but have a panel of their own, by XDG_CURRENT_DESKTOP.
func isGNOMEShell(desktops string) bool {
	names := strings.Split(desktops, ":")
	return slices.Contains(names, "GNOME") && !slices.Contains(names, "Budgie") && !slices.Contains(names, "GNOME-Flashback")
}
