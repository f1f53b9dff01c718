// Package menu is the view as data: what the tray's menu, icon and tooltip show of a Snapshot of the model.
//
// It is pure: it has no clock, no desktop and no state. The tray draws it and knows the desktops' own rules for labels.
// names.go gives each context a title of its own, row.go makes the line of one context, details.go the submenu of a
// running one, services.go the list of what is in its cluster, groups.go reduces many contexts, room.go fits them on a low
// screen, foot.go makes everything below them, and click.go defines what a click requests.
package menu

import (
	"fmt"
	"slices"

	"fairlead/app/session"
)

// An Item is one line of the menu.
type Item struct {
	ID        string `json:"id"` // unique, and stable across snapshots
	Title     string `json:"title,omitempty"`
	Tooltip   string `json:"tooltip,omitempty"`
	Checkable bool   `json:"checkable,omitempty"`
	Checked   bool   `json:"checked,omitempty"`
	Radio     bool   `json:"radio,omitempty"` // it is Checkable, and of its neighbours with Radio exactly one is checked
	Disabled  bool   `json:"disabled,omitempty"`
	// Icon names the sign to the left of the title, which says how a context is: "off", "working", "on", "attention" or
	// "failed"; "" is none. It is the only part of an item that may change while the menu is open.
	Icon string `json:"icon,omitempty"`
	// Hidden items keep their place but are not shown. They keep the menu's shape when a context is switched on or off,
	// so that a desktop can patch it in place, and an open menu does not collapse.
	Hidden    bool   `json:"hidden,omitempty"`
	Submenu   bool   `json:"submenu,omitempty"` // it has a submenu while it is shown
	Separator bool   `json:"separator,omitempty"`
	Click     Click  `json:"click,omitzero"`  // zero if the item cannot be clicked
	Items     []Item `json:"items,omitempty"` // the submenu; an item with a submenu cannot be clicked
}

// Build returns the whole menu, from top to bottom.
func Build(s session.Snapshot, extras Extras) []Item {
	x := viewOf(s, extras)
	items := []Item{line("status", Summary(s))}
	if s.Version > 0 {
		items = append(items, separator("above contexts"))
	}
	var below []Item
	if len(s.Contexts) == 0 && s.Version > 0 {
		below = append(below, noContexts(s.Sources)...)
	}
	all, more := listed(s.Contexts, x.First)
	if more > 0 {
		item := line("contexts/more", fmt.Sprintf("…and %d more contexts: fairlead on NAME", more))
		item.Tooltip = "fairlead list names all contexts, and fairlead on switches any of them on."
		below = append(below, item)
	}
	below = append(below, problems(s.Problems)...)
	below = append(below, foot(s, x)...)
	room := 0
	if x.Lines > 0 {
		room = max(minRoom, x.Lines-lines(items)-lines(below))
	}
	return slices.Concat(items, contextsIn(room, all, x), below)
}

func noContexts(sources []string) []Item {
	items := []Item{line("none", "No contexts found")}
	for i, source := range firstFew(sources) {
		items = append(items, line(fmt.Sprint("source/", i), indent+"in "+shortMiddle(clean(source), maxSentence)))
	}
	return items
}

func problems(sentences []string) []Item {
	var items []Item
	for i, sentence := range firstFew(sentences) {
		item := line(fmt.Sprint("problem/", i), shortMiddle(clean(sentence), maxSentence))
		item.Tooltip = clean(sentence)
		items = append(items, item)
	}
	if more := len(sentences) - len(items); more > 0 {
		items = append(items, line("problem/more", fmt.Sprintf("…and %d more problems", more)))
	}
	return items
}

// line returns an item that only shows text.
func line(id, title string) Item { return Item{ID: id, Title: title, Disabled: true} }

// button returns an item to click, with an ID made from its click.
func button(title string, click Click) Item {
	return Item{ID: id(click), Title: title, Click: click}
}

// check returns a button with a check mark.
func check(title string, on bool, click Click) Item {
	item := button(title, click)
	item.Checkable, item.Checked = true, on
	return item
}

// toggle returns a check whose click inverts it. Its ID does not depend on its state; name distinguishes it from others
// with the same action and context.
func toggle(title string, on bool, click Click, name string) Item {
	item := check(title, on, click)
	item.ID = fmt.Sprintf("%s/%d/%s/%s", click.Action, len(name), name, click.Context)
	return item
}

// submenu returns an item that opens others. Without any it only shows its title.
func submenu(id, title string, items []Item) Item {
	return Item{ID: id, Title: title, Items: items, Disabled: len(items) == 0}
}

func separator(where string) Item { return Item{ID: "separator/" + where, Separator: true} }

// id returns an ID for a click. The context is last, because it may contain anything.
func id(c Click) string {
	if c.Context == "" && c.Argument == "" {
		return string(c.Action)
	}
	return fmt.Sprintf("%s/%d/%s/%s", c.Action, len(c.Argument), c.Argument, c.Context)
}

func firstFew(lines []string) []string { return lines[:min(len(lines), 5)] }
