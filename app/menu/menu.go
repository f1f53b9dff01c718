// Package menu is the view as data: what the tray's menu, icon and tooltip say about a Snapshot of the model.
//
// It is pure: no clock, no desktop, no state. Drawing is the tray's, and so are a desktop's own rules for labels.
package menu

import (
	"fmt"
	"slices"

	"fairlead/app/session"
)

// An Item is one line of the menu.
type Item struct {
	ID        string `json:"id"` // stable across snapshots; what a click sends back, see Parse
	Title     string `json:"title,omitempty"`
	Tooltip   string `json:"tooltip,omitempty"`
	Checkable bool   `json:"checkable,omitempty"`
	Checked   bool   `json:"checked,omitempty"`
	Disabled  bool   `json:"disabled,omitempty"`
	// Hidden items have their place but are not shown. With them, switching a context on or off leaves the menu's shape as it is, and
	// a desktop can patch it in place.
	Hidden    bool   `json:"hidden,omitempty"`
	Separator bool   `json:"separator,omitempty"`
	Items     []Item `json:"items,omitempty"` // the submenu; an item that has one cannot be clicked itself
}

// Build returns the whole menu, from top to bottom.
func Build(s session.Snapshot) []Item {
	items := []Item{line("status", Summary(s))}
	if s.Version > 0 {
		items = append(items, separator("above contexts"))
	}
	for _, c := range s.Contexts {
		items = append(items, row(c), details(c), reason(c))
	}
	if len(s.Contexts) == 0 && s.Version > 0 {
		items = append(items, noContexts(s.Sources)...)
	}
	items = append(items, problems(s.Problems)...)
	return append(items,
		separator("below contexts"),
		Item{ID: string(StopAll), Title: "Stop all", Disabled: !slices.ContainsFunc(s.Contexts, stoppable)},
		Item{ID: string(Quit), Title: "Quit"},
	)
}

// row is the line that switches a context. It has no submenu, for desktops do not click lines that have one.
func row(c session.State) Item {
	return Item{
		ID:        id(Toggle, c.Name),
		Title:     rowTitle(c),
		Tooltip:   rowTooltip(c),
		Checkable: true,
		Checked:   c.Wanted && c.Phase != session.Failed,
		Disabled:  !c.Usable && !stoppable(c),
	}
}

// details is the line below the row of a running context, with what there is to do with it.
func details(c session.State) Item {
	running := c.Phase.Listening()
	return Item{
		ID:     id("details", c.Name),
		Title:  indent + shortName(c.Name) + ": copy, log, stop",
		Hidden: !running,
		Items: []Item{
			{ID: id(CopySOCKS5, c.Name), Title: "Copy " + orWord(SOCKS5URL(c), "socks5h URL"), Disabled: !running},
			{ID: id(CopyHTTP, c.Name), Title: "Copy " + orWord(HTTPURL(c), "http URL"), Disabled: !running},
			{ID: id(OpenLog, c.Name), Title: "Open log", Disabled: !running},
			{ID: id(Stop, c.Name), Title: "Stop", Disabled: !running},
		},
	}
}

// reason is the line that says why a context is not as it should be.
func reason(c session.State) Item {
	item := line(id("reason", c.Name), indent+shortEnd(clean(c.Reason), maxSentence))
	item.Hidden = c.Reason == ""
	return item
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

// stoppable reports whether there is something of a context to stop, a failure that is shown included.
func stoppable(c session.State) bool { return c.Phase != session.Off }

// line is an item that only says something.
func line(id, title string) Item { return Item{ID: id, Title: title, Disabled: true} }

func separator(where string) Item { return Item{ID: "separator/" + where, Separator: true} }

func firstFew(lines []string) []string { return lines[:min(len(lines), 5)] }

func orWord(url, word string) string {
	if url == "" {
		return word
	}
	return url
}
