//go:build !windows && !darwin

package tray

import "slices"

// lazy is what the notifier knows of panels that read one level of the menu at a time, such as Plasma. Plasma reads a
// submenu when it has opened it, empty, and then lets it grow in place: near the edge, out of the screen. If a signal says
// that a submenu has changed, it reads it before.
type lazy struct {
	levels bool           // a panel has read single levels
	read   map[int32]bool // the submenus whose lines it has read
	unread []int32        // the submenus to signal after the next answer
}

// readLevels records what a panel reads with an answer, and finds the submenus in it that it has not read.
func (n *notifier) readLevels(l layout, depth int32) {
	n.lazy.levels = true
	if n.lazy.read == nil {
		n.lazy.read = map[int32]bool{}
	}
	if depth > 0 {
		n.lazy.read[l.Number] = true
		for _, child := range l.Children {
			n.readLevels(child.Value().(layout), depth-1)
		}
		return
	}
	if l.Properties["children-display"].Value() == "submenu" && !n.lazy.read[l.Number] {
		n.lazy.unread = append(n.lazy.unread, l.Number)
	}
}

// signalUnread makes the panel read the submenus that it does not know yet.
func (n *notifier) signalUnread() {
	for _, number := range n.lazy.unread {
		n.emit(menuPath, menuInterface, "LayoutUpdated", n.tree.revision, number)
	}
	n.lazy.unread = nil
}

// signalMoved signals that lines came, went or moved.
func (n *notifier) signalMoved() {
	if !n.lazy.levels {
		n.emit(menuPath, menuInterface, "LayoutUpdated", n.tree.revision, int32(0))
		return
	}
	for number := range n.lazy.read {
		if n.tree.entries[number] == nil {
			delete(n.lazy.read, number)
		}
	}
	slices.Sort(n.tree.moved)
	for _, number := range n.tree.moved {
		n.emit(menuPath, menuInterface, "LayoutUpdated", n.tree.revision, number)
	}
}
