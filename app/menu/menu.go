// Package menu is the view as data: what the tray's menu, icon and tooltip show of a Snapshot of the model.
//
// It is pure: it has no clock, no desktop and no state. The tray draws it and knows the desktops' own rules for labels.
// layout.go decides which rows there are, names.go gives each context a title of its own, row.go makes its row, details.go
// the submenu of a running one, trouble.go what needs the user, options.go its settings, services.go the list of what is in
// its cluster, groups.go collects many contexts, foot.go makes everything below them, and click.go defines what a click
// requests.
package menu

import (
	"fmt"

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
	Icon      string `json:"icon,omitempty"`
	Separator bool   `json:"separator,omitempty"`
	Click     Click  `json:"click,omitzero"`  // zero if the item cannot be clicked
	Items     []Item `json:"items,omitempty"` // the submenu; an item with a submenu cannot be clicked
}

// Build returns the whole menu, from top to bottom. It has at most MaxRows rows, or as many as extras.Lines if these are
// fewer, as far as that is possible. Every context is in it, up to maxListed of them.
func Build(s session.Snapshot, extras Extras) []Item {
	x := viewOf(s, extras)
	head := []Item{line("status", Summary(s))}
	if s.Version > 0 && len(s.Contexts) == 0 {
		head = append(head, noContexts(s.Sources)...)
	}
	head = append(head, problems(s, x)...)
	foot := foot(s, x)
	limit := MaxRows
	if x.Lines > 0 {
		limit = min(limit, x.Lines)
	}
	return join("section", head, contexts(s.Contexts, limit-rows(head)-rows(foot), x), foot)
}

// noContexts returns the row that says where contexts were looked for.
func noContexts(sources []string) []Item {
	var items []Item
	for i, source := range firstFew(sources) {
		items = append(items, line(fmt.Sprint("source/", i), shortMiddle(clean(source), maxSentence)))
	}
	if items == nil {
		return nil
	}
	return []Item{submenu("sources", "No contexts found in", items)}
}

// problems returns the rows of what is wrong with the settings and with the kubeconfig as a whole.
func problems(s session.Snapshot, x view) []Item {
	var settings, kubeconfig []Item
	if x.Settings {
		settings = []Item{openSettings("settings-problems/open")}
	}
	if len(s.Sources) == 1 {
		open := openKubeconfig("", s.Sources[0])
		open.ID = "problems/open"
		kubeconfig = []Item{open}
	}
	return append(
		problem("settings-problem", "Problems of the settings", s.SettingsProblems, "fairlead settings check", settings),
		problem("problem", "Problems of the kubeconfig", s.Problems, "fairlead list", kubeconfig)...)
}

// problem returns the row of some sentences, with what can be done. command prints all of them.
func problem(id, title string, sentences []string, command string, actions []Item) []Item {
	var items []Item
	for i, sentence := range firstFew(sentences) {
		items = append(items, paragraph(fmt.Sprint(id, "/", i), sentence)...)
	}
	if items == nil {
		return nil
	}
	if more := len(sentences) - len(firstFew(sentences)); more > 0 {
		items = append(items, line(id+"/more", fmt.Sprintf("…and %d more: %s", more, command)))
	}
	item := submenu(id+"s", counted(title, len(sentences)), join(id+"s", items, actions))
	item.Icon = string(session.SignAttention)
	return []Item{item}
}

// join returns sections with a separator between those that have items.
func join(where string, sections ...[]Item) []Item {
	var items []Item
	for i, section := range sections {
		if len(section) > 0 && len(items) > 0 {
			items = append(items, separator(fmt.Sprint(i, "/", where)))
		}
		items = append(items, section...)
	}
	return items
}

// line returns an item that only shows text.
func line(id, title string) Item { return Item{ID: id, Title: title, Disabled: true} }

// paragraph returns the lines of a sentence that may be long.
func paragraph(id, sentence string) []Item {
	var items []Item
	for i, text := range wrap(oneLine(sentence)) {
		items = append(items, line(fmt.Sprint("text/", i, "/", id), text))
	}
	return items
}

// button returns an item to click, with an ID made from its click.
func button(title string, click Click) Item {
	return Item{ID: id(click), Title: title, Click: click}
}

// radio returns an item of a choice of which one holds.
func radio(title string, holds bool, click Click) Item {
	item := button(title, click)
	item.Checkable, item.Radio, item.Checked = true, true, holds
	return item
}

// toggle returns an item with a check mark, which a click inverts. Its ID does not depend on its state; name
// distinguishes it from others with the same action and context.
func toggle(title string, on bool, click Click, name string) Item {
	item := button(title, click)
	item.Checkable, item.Checked = true, on
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
