package menu

import (
	"slices"

	"fairlead/app/session"
)

// minRoom is the number of lines for contexts on the lowest screen.
const minRoom = 4

// lines returns how many lines are shown while submenus are closed. Separators do not count, because they are thin and
// few.
func lines(items []Item) int {
	count := 0
	for _, item := range items {
		if !item.Hidden && !item.Separator {
			count++
		}
	}
	return count
}

// contextsIn returns the lines of all contexts in at most room lines; 0 means any number. If there are too many, those
// that are on keep a line each as far as possible, and their actions are moved into one submenu; those that are off and
// were not used recently are moved into another.
func contextsIn(room int, all []session.State, x view) []Item {
	items := contexts(all, x)
	if room == 0 || lines(items) <= room {
		return items
	}
	on, off := byUse(all, x)
	below := 0 // lines reserved for submenus
	if len(off) > 0 {
		below++
	}
	blocks, collected := runningIn(room-below, on, x)
	if len(collected) > 0 {
		below++
	}
	items, left := fill(blocks, room-below, "group/on", "More that are on", on)
	if len(collected) > 0 {
		items = append(items, submenu("details", "Copy, open, more", collected))
	}
	flat := len(all) <= maxFlat
	for len(off) > 0 && off[0].Usable && (flat || !off[0].Used.IsZero() || x.isFirst(off[0].Name)) && lines(rows(off[0], x)) <= left {
		items = append(items, rows(off[0], x)...)
		left -= lines(rows(off[0], x))
		off = off[1:]
	}
	if len(off) > 0 {
		items = append(items, others(off, x))
	}
	return items
}

// byUse returns the contexts that are on or failed, in their order, and those that are off: the first of all, then the last
// used ones, and the unusable ones last.
func byUse(all []session.State, x view) (on, off []session.State) {
	for _, c := range all {
		if stoppable(c) {
			on = append(on, c)
		} else {
			off = append(off, c)
		}
	}
	slices.SortStableFunc(off, func(a, b session.State) int {
		switch {
		case a.Usable != b.Usable && a.Usable:
			return -1
		case a.Usable != b.Usable:
			return 1
		case x.isFirst(a.Name):
			return -1
		case x.isFirst(b.Name):
			return 1
		}
		return b.Used.Compare(a.Used)
	})
	return on, off
}

// runningIn returns the lines of each context that is on. If they do not fit, their actions are collected in a submenu.
func runningIn(room int, on []session.State, x view) (blocks [][]Item, collected []Item) {
	count := 0
	for _, c := range on {
		block := rows(c, x)
		blocks = append(blocks, block)
		count += lines(block)
		if c.Phase.Listening() {
			item := details(c, x)
			item.Title = x.title(c)
			collected = append(collected, item)
		}
	}
	if count <= room || len(collected) < 2 {
		return blocks, nil
	}
	for i, c := range on {
		blocks[i] = []Item{row(c, x), reason(c), warning(c)}
	}
	return blocks, collected
}

// fill adds blocks while there is room, and puts the rest into a submenu. It returns the number of lines left.
func fill(blocks [][]Item, room int, id, title string, of []session.State) (items []Item, left int) {
	if lines(slices.Concat(blocks...)) > room {
		room--
	}
	for i, block := range blocks {
		if lines(block) > room {
			var rest []Item
			for _, item := range slices.Concat(blocks[i:]...) {
				if !item.Hidden {
					rest = append(rest, item)
				}
			}
			return append(items, submenu(id, counted(title, len(of)-i), rest)), 0
		}
		items = append(items, block...)
		room -= lines(block)
	}
	return items, room
}

// others returns the submenu of contexts for which there is no room. Many are grouped.
func others(all []session.State, x view) Item {
	whole := group{id: "others", contexts: all}
	if len(all) > maxGroup {
		whole = group{id: "others", groups: byFile(all, x)}
	}
	whole.title = counted("Other contexts", len(all))
	return whole.item(x)
}
