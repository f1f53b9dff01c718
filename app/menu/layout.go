package menu

import (
	"cmp"
	"fmt"
	"slices"

	"fairlead/app/session"
)

const (
	// MaxRows is the number of rows of the menu without its submenus: what a screen of 800 pixels has room for.
	MaxRows = 18

	minRoom   = 4   // rows for contexts on the lowest screen
	maxRecent = 5   // contexts above the groups
	maxGroups = 8   // rows of groups, however few contexts are on or were used
	maxLoose  = 30  // contexts that have groups only if they are too many for one
	maxGroup  = 25  // rows of a submenu
	maxListed = 500 // contexts in the menu; panels read all of it, including submenus, and become slow
)

// rows returns how many rows are shown while submenus are closed. Separators do not count, because they are thin and few.
func rows(items []Item) int {
	count := 0
	for _, item := range items {
		if !item.Separator {
			count++
		}
	}
	return count
}

// contexts returns the rows of all contexts, at most room of them, or minRoom: a submenu for each that runs or failed, a
// button for each that is off, the kubeconfig's current one and those that were used last on top. For what there is no
// room, there are groups.
func contexts(all []session.State, room int, x view) []Item {
	all, more := listed(all)
	x.known = slices.DeleteFunc(slices.Clone(all), func(c session.State) bool { return !c.Usable })
	on, off, unusable := divide(all)
	room = max(minRoom, room)
	var below []Item
	if more > 0 {
		below = append(below, line("contexts/more", fmt.Sprintf("…and %d more contexts: fairlead on NAME", more)))
	}
	if len(unusable) > 0 {
		below = append(below, notUsable(unusable, x))
	}
	room -= rows(below)
	least := 0 // rows that those that are off need
	if len(off) > 0 {
		least = 1
	}
	running := running(on, max(1, room-least), x)
	room -= rows(running)
	if len(all) == 1 && len(off) == 1 && !off[0].Production {
		start := offRow(off[0], x)
		start.Title = "Start " + x.title(off[0])
		return []Item{start}
	}
	var start []Item
	if len(off) > 0 {
		start = toStart(off, room, x)
	}
	return join("contexts", running, start, below)
}

// toStart returns the rows of contexts that are off, below a caption if there is room and more than one row.
func toStart(off []session.State, room int, x view) []Item {
	const alone = "Start a context"
	if len(off) > 2 && len(off) == room {
		return each(off, func(c session.State) Item { return offRow(c, x) }) // rather than two of them in a group
	}
	if room > 2 || room > 1 && len(off) == 1 {
		below := startable(off, room-1, "More", x)
		if len(off) == 1 || len(below) > 1 {
			return append([]Item{line("caption/start", "Start")}, below...)
		}
	}
	return startable(off, max(1, room), alone, x)
}

// listed returns the contexts that the menu shows, and how many it leaves out. It never leaves out the current one, nor
// those that are on or were used recently.
func listed(all []session.State) (some []session.State, more int) {
	if len(all) <= maxListed {
		return all, 0
	}
	keep := map[string]bool{}
	room := maxListed
	hold := func(c session.State) {
		if !keep[c.Name] {
			keep[c.Name] = true
			room--
		}
	}
	for _, c := range all {
		if stoppable(c) || c.Current {
			hold(c)
		}
	}
	for _, c := range recent(all) {
		hold(c)
	}
	for _, c := range all {
		switch {
		case keep[c.Name]:
			some = append(some, c)
		case room > 0:
			some = append(some, c)
			room--
		}
	}
	return some, len(all) - len(some)
}

// recent returns the contexts that can be started: the current one first, and those that were on last.
func recent(all []session.State) []session.State {
	_, off, _ := divide(all)
	limit := maxRecent
	if len(off) > 0 && off[0].Current {
		limit++
	}
	used := 0
	for used < min(limit, len(off)) && (off[used].Current || !off[used].Used.IsZero()) {
		used++
	}
	return off[:used]
}

// divide returns the contexts that are on or failed, those that can be started, and those that cannot be used. The current
// one comes first, and of those that are off the last used ones follow.
func divide(all []session.State) (on, off, unusable []session.State) {
	for _, c := range all {
		switch {
		case stoppable(c):
			on = append(on, c)
		case c.Usable:
			off = append(off, c)
		default:
			unusable = append(unusable, c)
		}
	}
	slices.SortStableFunc(on, currentFirst)
	slices.SortStableFunc(off, func(a, b session.State) int { return cmp.Or(currentFirst(a, b), b.Used.Compare(a.Used)) })
	return on, off, unusable
}

func currentFirst(a, b session.State) int {
	switch {
	case a.Current == b.Current:
		return 0
	case a.Current:
		return -1
	}
	return 1
}

// running returns the rows of contexts that are on or failed. Those without room are in a submenu, which has the icon of
// the one that is worst.
func running(on []session.State, room int, x view) []Item {
	if len(on) <= room {
		return each(on, func(c session.State) Item { return runningRow(c, x, false) })
	}
	shown, rest := on[:room-1], on[room-1:]
	items := each(shown, func(c session.State) Item { return runningRow(c, x, false) })
	more := submenu("running", counted("More running", len(rest)), each(rest, func(c session.State) Item { return runningRow(c, x, true) }))
	more.Icon = string(session.Snapshot{Contexts: rest}.Sign())
	return append(items, more)
}

// startable returns the rows of contexts that are off. If they do not all have room, the recent ones do, as far as groups leave
// some, and the others are in groups, of which the last one may have the title rest. Which groups there are depends on the
// kubeconfig alone as long as possible, so that a context is where it was when others have been started.
func startable(off []session.State, room int, rest string, x view) []Item {
	show := func(c session.State) Item { return offRow(c, x) }
	if len(off) <= room {
		return each(off, show)
	}
	last := group{id: "rest", title: rest, contexts: off[room-1:]}
	if (x.Lines > 0 || len(x.known) <= maxLoose) && len(last.contexts) <= maxGroup {
		return append(each(off[:room-1], show), last.item(x))
	}
	used := len(recent(off))
	limit := max(1, room-min(1, used))
	top := min(used, room-len(gather(off, limit, rest, x)))
	return append(each(off[:top], show), each(gather(off[top:], limit, rest, x), func(g group) Item { return g.item(x) })...)
}

// gather returns the groups of contexts, at most room of them: if the kubeconfig has many, its smaller ones are in one group with
// this title, as all are where submenus unfold in the menu.
func gather(all []session.State, room int, title string, x view) []group {
	groups, kept := groupsOf(all, x), 0
	if x.Lines == 0 {
		kept = min(room, maxGroups) - 1
		if len(groups) <= min(room, maxGroups+2) { // two more need few rows, and make a poor group
			kept = len(groups)
		}
	}
	empty := func(g group) bool { return len(g.contexts) == 0 }
	rest := group{id: "rest", title: title, groups: byTitle(slices.DeleteFunc(groups[kept:], empty))}
	shown := slices.DeleteFunc(groups[:kept:kept], empty)
	if len(rest.groups) == 0 {
		return shown
	}
	return append(shown, rest)
}

func each[T, R any](all []T, item func(T) R) []R {
	items := make([]R, 0, len(all))
	for _, one := range all {
		items = append(items, item(one))
	}
	return items
}
