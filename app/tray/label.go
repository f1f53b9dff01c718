package tray

import (
	"regexp"
	"slices"
	"strings"

	"fairlead/app/menu"
)

// look is how a desktop shows items, as far as it differs from others.
type look struct {
	escape func(title string) string // makes the desktop show a title unchanged
	// signs are in the label where there is no picture to the left of it.
	signs bool
	// boxes are in the label where the desktop draws nothing to the left of an item that is not ticked.
	boxes bool
	// stale is set if the desktop may go on to show an earlier picture of the icon, as GNOME Shell may when the icon's status
	// changes, or when pictures come soon after each other.
	stale bool
}

// lookOf returns the look of a desktop. goos is Go's name of the system, and desktops is XDG_CURRENT_DESKTOP, a list
// with colons.
func lookOf(goos, desktops string) look {
	switch {
	case goos == "windows":
		return look{escape: func(title string) string { return strings.ReplaceAll(title, "&", "&&") }, signs: true}
	case goos == "darwin":
		return look{escape: func(title string) string { return title }}
	case isGNOMEShell(desktops):
		return look{escape: escapeFirst, signs: true, boxes: true, stale: true}
	}
	// This is the escape of the specification of com.canonical.dbusmenu.
	return look{escape: func(title string) string { return strings.ReplaceAll(title, "_", "__") }}
}

// escapeFirst is for GNOME's extension, which removes the first underscore that is followed by another character, and
// shows the others unchanged.
func escapeFirst(title string) string {
	if at := mnemonic.FindStringIndex(title); at != nil {
		return title[:at[0]] + "_" + title[at[0]:]
	}
	return title
}

var mnemonic = regexp.MustCompile(`_[^_]`)

// signs are the pictures of menu.Item.Icon as text. In most fonts the triangle fills its place, without the
// margins that the others have, so a thin space follows it.
var signs = map[string]string{"off": "○", "working": "◌", "on": "●", "attention": "▲\u2009", "failed": "✕"}

// label returns what stands in the line of an item.
func (l look) label(item menu.Item) string {
	label := l.escape(item.Title)
	// The name of a picture may have a further mark after a hyphen.
	name, _, _ := strings.Cut(item.Icon, "-")
	if sign := signs[name]; l.signs && sign != "" {
		label = sign + " " + label
	}
	if !l.boxes {
		return label
	}
	switch {
	case item.Radio && item.Checked:
		return "◉ " + label
	case item.Radio:
		return "○ " + label
	case item.Checkable && item.Checked:
		return "☑ " + label
	case item.Checkable:
		return "☐ " + label
	}
	return label
}

// isGNOMEShell reports whether XDG_CURRENT_DESKTOP names GNOME Shell, and not a desktop that is like GNOME but has a
// panel of its own.
func isGNOMEShell(desktops string) bool {
	names := strings.Split(desktops, ":")
	return slices.Contains(names, "GNOME") && !slices.Contains(names, "Budgie") && !slices.Contains(names, "GNOME-Flashback")
}
