//go:build !windows && !darwin

package tray

import (
	"time"

	"fairlead/app/menu"
)

// opening is what a panelMenu knows of whether a panel has the menu open. While it is, the lines that can be seen stay
// as they are: no line moves under the pointer, and none becomes another.
//
// Plasma and GNOME Shell say when the menu is opened and closed. The panels of GTK say only that they are about to show
// it, and the rest of submenus: that the menu was closed is known from a click, or when nothing was heard of it for a
// while.
type opening struct {
	open    bool
	guessed bool             // the panel does not say when the menu is closed
	heard   time.Time        // when the panel last said something of the open menu
	closing <-chan time.Time // fires when the menu counts as closed
	recheck <-chan time.Time // fires when a guess is to be looked at again
	count   int              // of openings
}

// finding is whether a menu was on the screen during an opening.
type finding struct {
	opening      int
	shown, known bool
}

const (
	// closingDelay is how long lines stay as they are once the panel has said that the menu is closed. Plasma says that
	// before it says what was clicked.
	closingDelay = 100 * time.Millisecond
	// longestSilence is how long a menu counts as open that may have been closed.
	longestSilence = 30 * time.Second
	recheckEvery   = 250 * time.Millisecond
	// openingTime is how long a panel may take to have the menu on the screen.
	openingTime = 2 * time.Second
)

// event handles an event of an entry.
func (m *panelMenu) event(number int32, event string) {
	m.heard = time.Now()
	switch event {
	case "opened", "closed":
		m.toggled(number, event == "opened")
	case "clicked":
		if e, ok := m.tree.shownAs(number); ok && m.tree.isClickable(e) {
			m.on.clicked(e.item)
		}
		if m.open && m.guessed {
			m.closing = time.After(0)
		}
	}
}

// toggled handles that the menu, which is entry 0, or a submenu was opened or closed.
func (m *panelMenu) toggled(number int32, open bool) {
	switch {
	case number != 0:
		if e := m.tree.entries[number]; open && e != nil {
			m.on.opened(e.item)
		}
	case open:
		m.close() // if that was never said
		m.open, m.guessed = true, false
	case m.open:
		m.closing = time.After(closingDelay)
	}
	m.signalChanged(m.tree.unfold(number, open))
	if number != 0 && !open && m.open {
		m.update()
	}
}

// aboutToShow handles that a panel is about to show the menu, which is entry 0, or a submenu. It reports whether the
// panel has to read the menu again.
func (m *panelMenu) aboutToShow(number int32) bool {
	if number != 0 {
		return false // panels get a signal of every change
	}
	// GNOME Shell says this after it has opened the menu, others before. If the menu has been open until now, its closing
	// was never said.
	open := m.open
	m.open = false
	changed := m.update()
	m.open = open
	return changed
}

// aboutToShowGroup does the same for several entries. It returns those that the panel has to read again.
func (m *panelMenu) aboutToShowGroup(numbers []int32) []int32 {
	m.heard = time.Now()
	again := []int32{}
	for _, number := range numbers {
		if m.aboutToShow(number) {
			again = append(again, number)
		}
		if number == 0 {
			// Only the panels of GTK group what they say.
			m.close()
			m.open, m.guessed, m.count = true, true, m.count+1
		}
	}
	return again
}

// close records that the menu is closed, and shows what was held back.
func (m *panelMenu) close() {
	m.closing = nil
	if !m.open {
		return
	}
	m.open = false
	m.signalChanged(m.tree.unfold(0, false))
	m.update()
}

// lookAgain closes a menu that was probably closed, or looks for it on the screen.
func (m *panelMenu) lookAgain() {
	m.recheck = nil
	if !m.open || !m.guessed {
		return
	}
	switch silence := time.Since(m.heard); {
	case silence > longestSilence:
		m.close()
	case silence > openingTime:
		opening := m.count
		m.looking.Go(func() {
			shown, known := m.menuShown(m.bus.Context())
			select {
			case m.looked <- finding{opening, shown, known}:
			case <-m.bus.Context().Done():
			}
		})
	default:
		m.recheck = time.After(recheckEvery)
	}
}

// found closes a menu that is not on the screen.
func (m *panelMenu) found(f finding) {
	if f.known && f.shown {
		m.heard = time.Now()
	}
	if f.known && !f.shown && m.guessed && f.opening == m.count {
		m.close()
		return
	}
	m.recheck = time.After(recheckEvery)
}

// shown returns the items to show now. If the menu is open these are the ones that are shown already, with the new
// pictures and with the new contents of submenus that are closed.
func (m *panelMenu) shown() []menu.Item {
	if !m.open {
		return m.latest.items
	}
	if m.guessed && m.recheck == nil {
		m.recheck = time.After(recheckEvery)
	}
	open := map[string]bool{}
	for number := range m.tree.open {
		if e := m.tree.entries[number]; e != nil {
			open[e.at.item] = true
		}
	}
	// GNOME Shell folds all submenus when the contents of one change.
	return held(m.tree.items, byID(m.latest.items), func(id string) bool { return m.tree.room > 0 || open[id] })
}

// held returns the items of an open menu: those that are shown, with their new pictures, and with the new items of submenus
// that are not open.
// isOpen reports whether the submenu of an item is open.
func held(shown []menu.Item, next map[string]menu.Item, isOpen func(id string) bool) []menu.Item {
	all := make([]menu.Item, 0, len(shown))
	for _, item := range shown {
		to, known := next[item.ID]
		if known && item.Icon != "" && to.Icon != "" {
			item.Icon = to.Icon
		}
		switch {
		case len(item.Items) == 0:
		case isOpen(item.ID):
			item.Items = held(item.Items, next, isOpen)
		case len(to.Items) > 0:
			item.Items = to.Items
		}
		all = append(all, item)
	}
	return all
}

// byID returns the items of a menu and its submenus by their ID.
func byID(items []menu.Item) map[string]menu.Item {
	all := map[string]menu.Item{}
	var add func([]menu.Item)
	add = func(items []menu.Item) {
		for _, item := range items {
			all[item.ID] = item
			add(item.Items)
		}
	}
	add(items)
	return all
}
