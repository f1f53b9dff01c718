//go:build !windows && !darwin

package tray

import "slices"

// lazy is what a panelMenu knows of panels that read one level of the menu at a time, such as Plasma. Plasma reads a
// submenu when it has opened it, empty, and then lets it grow in place: near the edge, out of the screen. If a signal says
// that a submenu has changed, it reads it before.
type lazy struct {
	levels bool           // a panel has read single levels
	read   map[int32]bool // the submenus whose lines it has read
	unread []int32        // the submenus to signal after the next answer
}

// readLevels records what a panel reads with an answer, and finds the submenus in it that it has not read.
func (m *panelMenu) readLevels(l layout, depth int32) {
	m.lazy.levels = true
	if m.lazy.read == nil {
		m.lazy.read = map[int32]bool{}
	}
	if depth > 0 {
		m.lazy.read[l.Number] = true
		for _, child := range l.Children {
			m.readLevels(child.Value().(layout), depth-1)
		}
		return
	}
	if l.Properties["children-display"].Value() == "submenu" && !m.lazy.read[l.Number] {
		m.lazy.unread = append(m.lazy.unread, l.Number)
	}
}

// signalUnread makes the panel read the submenus that it does not know yet.
func (m *panelMenu) signalUnread() {
	for _, number := range m.lazy.unread {
		m.emit(menuPath, menuInterface, "LayoutUpdated", m.tree.revision, number)
	}
	m.lazy.unread = nil
}

// signalMoved signals that lines came, went or moved.
func (m *panelMenu) signalMoved() {
	if !m.lazy.levels {
		m.emit(menuPath, menuInterface, "LayoutUpdated", m.tree.revision, int32(0))
		return
	}
	for number := range m.lazy.read {
		if m.tree.entries[number] == nil {
			delete(m.lazy.read, number)
		}
	}
	slices.Sort(m.tree.moved)
	for _, number := range m.tree.moved {
		m.emit(menuPath, menuInterface, "LayoutUpdated", m.tree.revision, number)
	}
}
