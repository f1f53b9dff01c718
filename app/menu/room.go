package menu

import (
	"slices"

	"fairlead/app/session"
)

// minRoom is how many lines contexts get on the lowest screen.
const minRoom = 4

// lines is how many lines are shown, submenus closed. Separators are thin, and few.
func lines(items []Item) int {
	count := 0
	for _, item := range items {
		if !item.Hidden && !item.Separator {
			count++
		}
	}
	return count
}

// contextsIn are the lines of all contexts in as many lines as there is room for; 0 is any number. Where there are too many, those
// that are on keep a line each as far as they can, and what there is to do with them goes into one submenu; those that are off and were
// not on of late go into another.
func contextsIn(room int, all []session.State, x Extras) []Item {
	items := contexts(all, x)
	if room == 0 || lines(items) <= room {
		return items
	}
	on, off := byUse(all)
	below := 0 // lines that are kept for submenus
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
	for len(off) > 0 && off[0].Usable && (flat || !off[0].Used.IsZero()) && lines(rows(off[0], x)) <= left {
		items = append(items, rows(off[0], x)...)
		left -= lines(rows(off[0], x))
		off = off[1:]
	}
	if len(off) > 0 {
		items = append(items, others(off, x))
	}
	return items
}

// byUse are those that are on, or failed, as in the kubeconfig, and those that are off, the last used first and those that cannot be
// used last.
func byUse(all []session.State) (on, off []session.State) {
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
		}
		return b.Used.Compare(a.Used)
	})
	return on, off
}

// runningIn are the lines of each context that is on. When they do not fit, what there is to do with them is no line of each, but
// collected.
func runningIn(room int, on []session.State, x Extras) (blocks [][]Item, collected []Item) {
	count := 0
	for _, c := range on {
		block := rows(c, x)
		blocks = append(blocks, block)
		count += lines(block)
		if c.Phase.Listening() {
			item := details(c, x)
			item.Title = shortName(c.Name)
			collected = append(collected, item)
		}
	}
	if count <= room || len(collected) < 2 {
		return blocks, nil
	}
	for i, c := range on {
		blocks[i] = []Item{row(c), reason(c), warning(c)}
	}
	return blocks, collected
}

// fill takes blocks while there is room, and what is left of them in a submenu. It returns how many lines are free then.
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

// others is the submenu of contexts that have no room; of many, by what they have in common.
func others(all []session.State, x Extras) Item {
	whole := group{id: "others", contexts: all}
	if len(all) > maxGroup {
		whole = group{id: "others", groups: byFile(all)}
	}
	whole.title = counted("Other contexts", len(all))
	return whole.item(x)
}
