// Package menu is the view as data: what the tray's menu, icon and tooltip say about a Snapshot of the model.
//
// It is pure: no clock, no desktop, no state. Drawing is the tray's, and so are a desktop's own rules for labels. row.go is the line of
// one context, details.go the submenu of one that runs, services.go what is in its cluster, groups.go how many contexts are made few,
// room.go how they are made to fit on a low screen, foot.go all below them, and click.go what a click asks for.
package menu

import (
	"fmt"
	"slices"

	"fairlead/app/session"
)

// An Item is one line of the menu.
type Item struct {
	ID        string `json:"id"` // stable across snapshots, and one line's alone
	Title     string `json:"title,omitempty"`
	Tooltip   string `json:"tooltip,omitempty"`
	Checkable bool   `json:"checkable,omitempty"`
	Checked   bool   `json:"checked,omitempty"`
	Disabled  bool   `json:"disabled,omitempty"`
	// Hidden items have their place but are not shown. With them, switching a context on or off leaves the menu's shape as it is, and
	// a desktop can patch it in place: one that is open grows, and does not collapse.
	Hidden    bool   `json:"hidden,omitempty"`
	Submenu   bool   `json:"submenu,omitempty"` // it has a submenu when it is shown
	Separator bool   `json:"separator,omitempty"`
	Click     Click  `json:"click,omitzero"`  // what a click asks for; zero for what only says something
	Items     []Item `json:"items,omitempty"` // the submenu; an item that has one cannot be clicked itself
}

// Build returns the whole menu, from top to bottom.
func Build(s session.Snapshot, x Extras) []Item {
	items := []Item{line("status", Summary(s))}
	if s.Version > 0 {
		items = append(items, separator("above contexts"))
	}
	var below []Item
	if len(s.Contexts) == 0 && s.Version > 0 {
		below = append(below, noContexts(s.Sources)...)
	}
	all, more := listed(s.Contexts)
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

// line is an item that only says something.
func line(id, title string) Item { return Item{ID: id, Title: title, Disabled: true} }

// button is an item to click. Its ID is made of what it asks for.
func button(title string, click Click) Item {
	return Item{ID: id(click), Title: title, Click: click}
}

// check is a button with a mark.
func check(title string, on bool, click Click) Item {
	item := button(title, click)
	item.Checkable, item.Checked = true, on
	return item
}

// toggle is a check whose click turns it around, and whose ID stays when it does: name tells it from others of its action and context.
func toggle(title string, on bool, click Click, name string) Item {
	item := check(title, on, click)
	item.ID = fmt.Sprintf("%s/%d/%s/%s", click.Action, len(name), name, click.Context)
	return item
}

// submenu is an item that opens others. Without any it only says its title.
func submenu(id, title string, items []Item) Item {
	return Item{ID: id, Title: title, Items: items, Disabled: len(items) == 0}
}

func separator(where string) Item { return Item{ID: "separator/" + where, Separator: true} }

// id makes an ID of a click. The context stands last, for it may contain anything.
func id(c Click) string {
	if c.Context == "" && c.Argument == "" {
		return string(c.Action)
	}
	return fmt.Sprintf("%s/%d/%s/%s", c.Action, len(c.Argument), c.Argument, c.Context)
}

func firstFew(lines []string) []string { return lines[:min(len(lines), 5)] }
