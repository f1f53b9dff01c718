package menu

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"fairlead/app/session"
)

const (
	maxFlat   = 14  // contexts in the menu without groups
	maxRecent = 5   // recently used contexts, above the groups
	maxGroup  = 25  // lines of a submenu
	maxListed = 500 // contexts in the menu; panels read all of it, including submenus, and become slow
)

// listed returns the contexts that the menu shows, the first one on top, and how many it leaves out. It never leaves out
// that one, nor those that are on or were used recently.
func listed(all []session.State, first string) (some []session.State, more int) {
	keep := map[string]bool{}
	if at := slices.IndexFunc(all, func(c session.State) bool { return c.Name == first }); at >= 0 && first != "" {
		all = slices.Concat(all[at:at+1], all[:at], all[at+1:])
		keep[first] = true
	}
	if len(all) <= maxListed {
		return all, 0
	}
	for _, name := range recent(all) {
		keep[name] = true
	}
	room := maxListed - len(keep)
	for _, c := range all {
		if stoppable(c) {
			keep[c.Name] = true
			room--
		}
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

// contexts returns the lines of all contexts. A few are shown in their order. Of many, the first one and those that are on
// or recently used are shown that way, and the rest in submenus: by file, and by the beginnings of their names.
func contexts(all []session.State, x view) []Item {
	var items []Item
	show := func(c session.State) { items = append(items, rows(c, x)...) }
	if len(all) <= maxFlat {
		for _, c := range all {
			show(c)
		}
		return items
	}
	recent := slices.DeleteFunc(recent(all), x.isFirst)
	var rest []session.State
	for _, c := range all {
		if stoppable(c) || x.isFirst(c.Name) {
			show(c)
		} else if !slices.Contains(recent, c.Name) {
			rest = append(rest, c)
		}
	}
	for _, name := range recent {
		c, _ := session.Snapshot{Contexts: all}.Context(name)
		show(c)
	}
	if len(items) > 0 {
		items = append(items, separator("above groups"))
	}
	for _, g := range byFile(rest, x) {
		items = append(items, g.item(x))
	}
	return items
}

// recent returns the names of the contexts that are off and were on last, the latest first.
func recent(all []session.State) []string {
	var used []session.State
	for _, c := range all {
		if !stoppable(c) && c.Usable && !c.Used.IsZero() {
			used = append(used, c)
		}
	}
	slices.SortStableFunc(used, func(a, b session.State) int { return b.Used.Compare(a.Used) })
	var names []string
	for _, c := range used[:min(len(used), maxRecent)] {
		names = append(names, c.Name)
	}
	return names
}

// group is a submenu of contexts.
type group struct {
	id, title string
	contexts  []session.State
	groups    []group // if set, shown instead of contexts
}

func (g group) item(x view) Item {
	var items []Item
	for _, inner := range g.groups {
		items = append(items, inner.item(x))
	}
	for _, c := range g.contexts {
		for _, item := range rows(c, x) {
			if !item.Hidden {
				items = append(items, item)
			}
		}
	}
	return submenu("group/"+g.id, g.title, items)
}

func (g group) size() int {
	size := len(g.contexts)
	for _, inner := range g.groups {
		size += inner.size()
	}
	return size
}

// byFile returns a group for each file, if there are several.
func byFile(all []session.State, x view) []group {
	var files []string
	by := map[string][]session.State{}
	for _, c := range all {
		if _, known := by[c.File]; !known {
			files = append(files, c.File)
		}
		by[c.File] = append(by[c.File], c)
	}
	if len(files) < 2 {
		return byName("", all, x)
	}
	var groups []group
	for _, file := range files {
		g := group{id: file, contexts: by[file]}
		if len(g.contexts) > maxGroup {
			g.groups, g.contexts = byName(file, g.contexts, x), nil
		}
		g.title = counted(shortMiddle(clean(shortFile(file, files)), maxName), g.size())
		groups = append(groups, g)
	}
	return groups
}

// shortFile returns as much of a path's end as distinguishes it from the others.
func shortFile(file string, files []string) string {
	if file == "" {
		return "(no file)"
	}
	short := filepath.Base(file)
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		same := 0
		for _, other := range files {
			if other == short || strings.HasSuffix(other, string(filepath.Separator)+short) {
				same++
			}
		}
		if same < 2 || dir == filepath.Dir(dir) {
			return short
		}
		short = filepath.Join(filepath.Base(dir), short)
	}
}

// byName groups contexts whose names have the same first word. Those that are alone are grouped alphabetically.
func byName(id string, all []session.State, x view) []group {
	common := commonWords(all)
	var heads []string
	by := map[string][]session.State{}
	for _, c := range all {
		head := common + firstWord(strings.TrimPrefix(c.Name, common))
		if _, known := by[head]; !known {
			heads = append(heads, head)
		}
		by[head] = append(by[head], c)
	}
	var groups []group
	var alone []session.State
	for _, head := range heads {
		if len(by[head]) < 2 || head == "" { // names of a single word share no beginning
			alone = append(alone, by[head]...)
			continue
		}
		groups = append(groups, pages(id+"\x00"+head, shortMiddle(oneLine(head), maxName)+"…", by[head], x)...)
	}
	slices.SortStableFunc(alone, func(a, b session.State) int { return strings.Compare(a.Name, b.Name) })
	return append(groups, pages(id, "Others", alone, x)...)
}

// pages returns one group, or several if it would be too long.
func pages(id, title string, all []session.State, x view) []group {
	if len(all) == 0 {
		return nil
	}
	if len(all) <= maxGroup {
		return []group{{id: id + "\x00", title: counted(title, len(all)), contexts: all}}
	}
	var groups []group
	for page := range slices.Chunk(all, maxGroup) {
		first, last := shortMiddle(x.title(page[0]), maxName), shortMiddle(x.title(page[len(page)-1]), maxName)
		groups = append(groups, group{id: fmt.Sprint(id, "\x00", len(groups)), title: counted(first+" – "+last, len(page)), contexts: page})
	}
	return groups
}

func counted(title string, size int) string { return fmt.Sprintf("%s  (%d)", title, size) }

// marks are the characters that end a word of a name.
const marks = "-_./:@ "

// firstWord returns the beginning of a name up to and including its first mark, or "".
func firstWord(name string) string {
	if at := strings.IndexAny(name, marks); at >= 0 {
		return name[:at+1]
	}
	return ""
}

// commonWords returns the beginning that all names share, up to a mark.
func commonWords(all []session.State) string {
	if len(all) == 0 {
		return ""
	}
	common := all[0].Name
	for _, c := range all[1:] {
		for !strings.HasPrefix(c.Name, common) {
			common = common[:len(common)-1]
		}
	}
	return common[:strings.LastIndexAny(common, marks)+1]
}
