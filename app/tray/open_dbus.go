//go:build !windows && !darwin

package tray

import (
	"time"

	"fairlead/app/menu"
)

// opening is what the notifier knows of whether a panel has the menu open. While it is, the lines that can be seen stay
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
func (n *notifier) event(number int32, event string) {
	n.heard = time.Now()
	switch event {
	case "opened", "closed":
		n.toggled(number, event == "opened")
	case "clicked":
		if e, ok := n.tree.shownAs(number); ok && n.tree.isClickable(e) {
			n.on.clicked(e.item)
		}
		if n.open && n.guessed {
			n.closing = time.After(0)
		}
	}
}

// toggled handles that the menu, which is entry 0, or a submenu was opened or closed.
func (n *notifier) toggled(number int32, open bool) {
	switch {
	case number != 0:
		if e := n.tree.entries[number]; open && e != nil {
			n.on.opened(e.item)
		}
	case open:
		n.close() // if that was never said
		n.open, n.guessed = true, false
	case n.open:
		n.closing = time.After(closingDelay)
	}
	n.signalChanged(n.tree.unfold(number, open))
	if number != 0 && !open && n.open {
		n.update()
	}
}

// aboutToShow handles that a panel is about to show the menu, which is entry 0, or a submenu. It reports whether the
// panel has to read the menu again.
func (n *notifier) aboutToShow(number int32) bool {
	if number != 0 {
		return false // panels get a signal of every change
	}
	// GNOME Shell says this after it has opened the menu, others before. If the menu has been open until now, its closing
	// was never said.
	open := n.open
	n.open = false
	changed := n.update()
	n.open = open
	return changed
}

// aboutToShowGroup does the same for several entries. It returns those that the panel has to read again.
func (n *notifier) aboutToShowGroup(numbers []int32) []int32 {
	n.heard = time.Now()
	again := []int32{}
	for _, number := range numbers {
		if n.aboutToShow(number) {
			again = append(again, number)
		}
		if number == 0 {
			// Only the panels of GTK group what they say.
			n.close()
			n.open, n.guessed, n.count = true, true, n.count+1
		}
	}
	return again
}

// close records that the menu is closed, and shows what was held back.
func (n *notifier) close() {
	n.closing = nil
	if !n.open {
		return
	}
	n.open = false
	n.signalChanged(n.tree.unfold(0, false))
	n.update()
}

// lookAgain closes a menu that was probably closed, or looks for it on the screen.
func (n *notifier) lookAgain() {
	n.recheck = nil
	if !n.open || !n.guessed {
		return
	}
	switch silence := time.Since(n.heard); {
	case silence > longestSilence:
		n.close()
	case silence > openingTime:
		opening := n.count
		n.looking.Go(func() {
			shown, known := n.menuShown(n.own.bus.Context())
			select {
			case n.looked <- finding{opening, shown, known}:
			case <-n.own.bus.Context().Done():
			}
		})
	default:
		n.recheck = time.After(recheckEvery)
	}
}

// found closes a menu that is not on the screen.
func (n *notifier) found(f finding) {
	if f.known && f.shown {
		n.heard = time.Now()
	}
	if f.known && !f.shown && n.guessed && f.opening == n.count {
		n.close()
		return
	}
	n.recheck = time.After(recheckEvery)
}

// shown returns the items to show now. If the menu is open these are the ones that are shown already, with the new
// pictures and with the new contents of submenus that are closed.
func (n *notifier) shown() []menu.Item {
	if !n.open {
		return n.latest.items
	}
	if n.guessed && n.recheck == nil {
		n.recheck = time.After(recheckEvery)
	}
	open := map[string]bool{}
	for number := range n.tree.open {
		if e := n.tree.entries[number]; e != nil {
			open[e.at.item] = true
		}
	}
	// GNOME Shell folds all submenus when the contents of one change.
	return held(n.tree.items, byID(n.latest.items), func(id string) bool { return n.tree.room > 0 || open[id] })
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
