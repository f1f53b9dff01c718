//go:build linux

package desktoptest

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// Node is an entry of a menu, or the menu itself, whose entries are its Children.
type Node struct {
	ID        int32
	Label     string // as it is shown: "__" is one "_", a single "_" (a mnemonic) is none
	Sign      string // in front of the label, where the desktop shows no picture: "●"
	Checkable bool   // has a check mark, or a radio button, that is on or off
	Checked   bool
	Enabled   bool
	Visible   bool
	Separator bool
	Children  []Node
}

// Menu waits until the menu can be read and returns it: as the panel knows it or, without a panel, as the program
// reports it.
func (i *TrayItem) Menu(t testing.TB) Node {
	t.Helper()
	return i.WaitFor(t, "the menu of "+i.ID, func(Node) bool { return true })
}

func (i *TrayItem) read(t testing.TB) (Node, error) {
	t.Helper()
	root, err := i.layout(t)
	if err != nil {
		return Node{}, err
	}
	return node(root, i.desktop.options.GNOME)
}

// layout returns the menu as it was last reported to the panel, if there is a panel.
func (i *TrayItem) layout(t testing.TB) (layout, error) {
	t.Helper()
	if panel := i.desktop.owner(t, i.desktop.panelName()); panel != "" {
		return i.desktop.monitor.layout(panel, i.Owner)
	}
	var root layout
	for range 2 { // some programs omit the submenus from their first answer
		call := i.menu.Call(menuInterface+".GetLayout", 0, int32(0), int32(-1), []string{})
		if call.Err != nil {
			return layout{}, call.Err
		}
		var err error
		if root, err = decodeLayout(call.Body); err != nil {
			return layout{}, err
		}
	}
	return root, nil
}

func node(l layout, gnome bool) (Node, error) {
	n := Node{
		ID:        l.id,
		Label:     unescape(property(l, "label", ""), gnome),
		Checkable: property(l, "toggle-type", "") != "",
		Checked:   property(l, "toggle-state", int32(0)) == 1,
		Enabled:   property(l, "enabled", true),
		Visible:   property(l, "visible", true),
		Separator: property(l, "type", "") == "separator",
	}
	if gnome {
		n.Sign, n.Checkable, n.Checked, n.Label = splitSigns(n.Label)
	}
	for _, child := range l.children {
		c, err := node(child, gnome)
		if err != nil {
			return Node{}, err
		}
		n.Children = append(n.Children, c)
	}
	if property(l, "children-display", "") == "submenu" && n.Children == nil && n.Visible {
		return Node{}, fmt.Errorf("the submenu %q is not known yet", n.Label)
	}
	return n, nil
}

// unescape reverses dbusmenu's escaping of "_", which marks the mnemonic. GNOME Shell treats only the first one as a
// mark.
func unescape(label string, gnome bool) string {
	if gnome {
		if at := marked.FindStringIndex(label); at != nil {
			label = label[:at[0]] + label[at[0]+1:]
		}
		return label
	}
	const mark = "\x00"
	label = strings.ReplaceAll(label, "__", mark)
	label = strings.ReplaceAll(label, "_", "")
	return strings.ReplaceAll(label, mark, "_")
}

// splitSigns returns what stands in front of a label where GNOME Shell draws nothing: a sign, or a box or a radio button.
func splitSigns(label string) (sign string, checkable, checked bool, rest string) {
	before, after, found := strings.Cut(label, " ")
	if !found {
		return "", false, false, label
	}
	before = strings.TrimRight(before, "\u2009")
	switch before {
	case "☑", "◉":
		return "", true, true, after
	case "☐", "○":
		return "", true, false, after
	case "●", "◌", "▲", "✕":
		return before, false, false, after
	}
	return "", false, false, label
}

// marked matches a mark as GNOME Shell's extension does.
var marked = regexp.MustCompile(`_[^_]`)

// Find returns the first entry, from the top and including submenus, for which is returns true.
func (n Node) Find(is func(Node) bool) (Node, bool) {
	for _, child := range n.Children {
		if is(child) {
			return child, true
		}
		if found, ok := child.Find(is); ok {
			return found, true
		}
	}
	return Node{}, false
}

// At returns the entry at a path of labels from the top, one per level.
func (n Node) At(labels ...string) (Node, bool) {
	for _, label := range labels {
		var next *Node
		for i := range n.Children {
			if n.Children[i].Label == label && n.Children[i].Visible {
				next = &n.Children[i]
				break
			}
		}
		if next == nil {
			return Node{}, false
		}
		n = *next
	}
	return n, true
}

// String returns the menu as text, one line per entry, for the message of a failing test.
func (n Node) String() string {
	var b strings.Builder
	n.draw(&b, "")
	return b.String()
}

func (n Node) draw(b *strings.Builder, indent string) {
	for _, child := range n.Children {
		switch {
		case !child.Visible:
			continue
		case child.Separator:
			b.WriteString(indent + "---\n")
			continue
		case child.Checked:
			b.WriteString(indent + "[x] ")
		case child.Checkable:
			b.WriteString(indent + "[ ] ")
		default:
			b.WriteString(indent)
		}
		b.WriteString(child.Label)
		if !child.Enabled {
			b.WriteString(" (disabled)")
		}
		b.WriteString("\n")
		child.draw(b, indent+"    ")
	}
}

// WaitFor reads the menu until is returns true, and returns it.
func (i *TrayItem) WaitFor(t testing.TB, what string, is func(Node) bool) Node {
	t.Helper()
	var last Node
	var err error
	describe := func() string { return fmt.Sprintf("the menu is (%v):\n%s", err, last) }
	waitFor(t, what, describe, func() bool {
		var menu Node
		if menu, err = i.read(t); err != nil {
			return false
		}
		last = menu
		return is(menu)
	})
	return last
}

// WaitAt waits for an entry at a path of labels.
func (i *TrayItem) WaitAt(t testing.TB, labels ...string) Node {
	t.Helper()
	menu := i.WaitFor(t, strings.Join(labels, " → "), func(menu Node) bool {
		_, ok := menu.At(labels...)
		return ok
	})
	found, _ := menu.At(labels...)
	return found
}

// Click waits for an entry at a path of labels and clicks it, over D-Bus. The caller must check that the program
// reacts. The test fails if a user could not click the entry, since over D-Bus the program would get that click as
// well.
func (i *TrayItem) Click(t testing.TB, labels ...string) {
	t.Helper()
	i.ClickNode(t, i.WaitAt(t, labels...))
}

// ClickNode clicks an entry that was read before, over D-Bus.
func (i *TrayItem) ClickNode(t testing.TB, n Node) {
	t.Helper()
	if n.Separator || !n.Enabled || !n.Visible {
		t.Fatalf("%q cannot be clicked: enabled %t, visible %t, separator %t", n.Label, n.Enabled, n.Visible, n.Separator)
	}
	call := i.menu.Call(menuInterface+".Event", 0, n.ID, "clicked", dbus.MakeVariant(int32(0)), uint32(time.Now().Unix()))
	if call.Err != nil {
		t.Fatalf("click %q: %v", n.Label, call.Err)
	}
}
