package menu

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"fairlead/app/session"
)

// group is a submenu of contexts.
type group struct {
	id, title string
	span      string // of one of several pages: from its first context to its last
	contexts  []session.State
	short     map[string]string // by context name, titles without what the group's title says
	groups    []group           // if set, shown instead of contexts
}

// item returns the submenu. A group of one context is the row of that.
func (g group) item(x view) Item {
	if len(g.contexts) == 1 && len(g.groups) == 0 {
		return offRow(g.contexts[0], x)
	}
	items := each(g.groups, func(inner group) Item { return inner.item(x) })
	items = append(items, each(g.contexts, func(c session.State) Item {
		row := offRow(c, x)
		if short, ok := g.short[c.Name]; ok {
			row.Title = marks(c) + short
		}
		return row
	})...)
	return submenu("group/"+g.id, counted(g.title, g.size()), items)
}

func (g group) size() int {
	size := len(g.contexts)
	for _, inner := range g.groups {
		size += inner.size()
	}
	return size
}

// A heading is what the contexts of a group have in common: a key, and titles of which the first one that no other group
// has is used.
type heading struct {
	key    string
	titles []string
	owner  bool // the title is the owner in the contexts' names, see grammar
	word   bool // the contexts' names begin with the title
}

var others = heading{key: "others", titles: []string{"Others"}}

// groupsOf returns the groups of the contexts that can be used, the largest first: by account or project if their names say
// it, by the first word of their names, by file, and the rest. A group has those of its contexts that are in all, which may
// be none.
func groupsOf(all []session.State, x view) []group {
	headings, by := headingsIn(x.known)
	titles := unlike(headings, func(h heading) []string { return h.titles })
	var groups []group
	var choices [][]string
	short := x.withoutOwners(all)
	for i, h := range headings {
		for _, g := range pages(h.key, titles[i], by[h.key], x) {
			if h.owner {
				g.short = short
			}
			choice := []string{g.title}
			if h.word && g.span != "" {
				choice = []string{g.span, g.title} // which has the word already
			}
			groups, choices = append(groups, g), append(choices, choice)
		}
	}
	in := map[string]bool{}
	for _, c := range all {
		in[c.Name] = true
	}
	for i, title := range unlike(choices, func(titles []string) []string { return titles }) {
		groups[i].title = title
		groups[i].contexts = slices.DeleteFunc(groups[i].contexts, func(c session.State) bool { return !in[c.Name] })
	}
	return groups
}

// headingsIn returns the headings of contexts, those of the most contexts first and others last, and the contexts of each
// by its key.
func headingsIn(all []session.State) (headings []heading, by map[string][]session.State) {
	of := headingsOf(all)
	by = map[string][]session.State{}
	for _, c := range all {
		by[of(c).key] = append(by[of(c).key], c)
	}
	var rest []session.State
	seen := map[string]bool{}
	for _, c := range all {
		h := of(c)
		switch {
		case h.key == others.key || len(by[h.key]) < 2:
			rest = append(rest, c)
		case !seen[h.key]:
			seen[h.key] = true
			headings = append(headings, h)
		}
	}
	slices.SortStableFunc(headings, func(a, b heading) int {
		return cmp.Or(cmp.Compare(len(by[b.key]), len(by[a.key])), byNumber(strings.ToLower(a.titles[0]), strings.ToLower(b.titles[0])))
	})
	if len(rest) > 0 {
		headings, by[others.key] = append(headings, others), rest
	}
	return headings, by
}

// byTitle returns groups in the order of their titles, and what has no title of its own last.
func byTitle(groups []group) []group {
	last := func(g group) int {
		if strings.HasPrefix(g.id, others.key) {
			return 1
		}
		return 0
	}
	return slices.SortedStableFunc(slices.Values(groups), func(a, b group) int {
		return cmp.Or(cmp.Compare(last(a), last(b)), byNumber(strings.ToLower(a.title), strings.ToLower(b.title)), byNumber(a.title, b.title))
	})
}

// minWord is how many names a first word must have in common to be the title of a group.
const minWord = 3

// headingsOf returns the function that returns the heading of each context.
func headingsOf(all []session.State) func(session.State) heading {
	words, files := map[string]int{}, map[string]heading{}
	var names []string
	for _, c := range all {
		words[firstWord(c.Name)]++
		if _, known := files[c.File]; !known {
			files[c.File] = heading{}
			names = append(names, c.File)
		}
	}
	for _, file := range names {
		files[file] = heading{key: "file\x00" + file, titles: []string{shortMiddle(clean(shortFile(file, names)), maxName), shortMiddle(clean(file), maxTitle)}}
	}
	return func(c session.State) heading {
		if g := grammarOf(c); g.owner != nil {
			return heading{key: g.kind + "\x00" + g.owner[1], titles: g.owner, owner: true}
		}
		word := firstWord(c.Name)
		title := shortMiddle(oneLine(strings.TrimRight(word, wordEnds)), maxName)
		switch {
		case words[word] >= minWord && title != "":
			return heading{key: "word\x00" + word, titles: []string{title, title + "…"}, word: true}
		case len(names) > 1:
			return files[c.File]
		}
		return others
	}
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

// pages returns one group in the order of its contexts' titles, or several if it would be too long.
func pages(id, title string, all []session.State, x view) []group {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b session.State) int { return byNumber(x.title(a), x.title(b)) })
	if len(all) <= maxGroup {
		return []group{{id: id, title: title, contexts: all}}
	}
	chunks := slices.Collect(slices.Chunk(all, maxGroup))
	spans := unlike(chunks, func(page []session.State) []string {
		first, last := page[0], page[len(page)-1]
		long := shortMiddle(x.title(first), maxSpan) + " – " + shortMiddle(x.title(last), maxSpan)
		if from, to := grammarOf(first), grammarOf(last); from.name != "" && to.name != "" {
			return []string{shortMiddle(from.name, maxSpan) + " – " + shortMiddle(to.name, maxSpan), long}
		}
		return []string{long}
	})
	var groups []group
	for i, page := range chunks {
		long := spans[i]
		if title != "" {
			long = title + ": " + long
		}
		groups = append(groups, group{id: fmt.Sprint(id, "\x00", i), title: long, span: spans[i], contexts: page})
	}
	return groups
}

// byNumber compares texts so that team-9 is before team-10.
func byNumber(a, b string) int {
	for a != "" && b != "" {
		numberA, numberB := leadingDigits(a), leadingDigits(b)
		if numberA == "" || numberB == "" {
			if a[0] != b[0] {
				return cmp.Compare(a[0], b[0])
			}
			a, b = a[1:], b[1:]
			continue
		}
		plainA, plainB := strings.TrimLeft(numberA, "0"), strings.TrimLeft(numberB, "0")
		if order := cmp.Or(cmp.Compare(len(plainA), len(plainB)), cmp.Compare(plainA, plainB), cmp.Compare(len(numberA), len(numberB))); order != 0 {
			return order
		}
		a, b = a[len(numberA):], b[len(numberB):]
	}
	return cmp.Compare(len(a), len(b))
}

func leadingDigits(text string) string {
	return text[:len(text)-len(strings.TrimLeft(text, "0123456789"))]
}

func counted(title string, size int) string { return fmt.Sprintf("%s (%d)", title, size) }

// unlike returns a title for each of several things: the first of its own that is not another's, too, or the last one with
// a number.
func unlike[T any](all []T, titlesOf func(T) []string) []string {
	titles := make([][]string, len(all))
	taken := map[string]int{}
	for i, one := range all {
		titles[i] = slices.Compact(slices.Clone(titlesOf(one)))
		for _, title := range titles[i] {
			taken[look(title)]++
		}
	}
	chosen := make([]string, len(all))
	for i, own := range titles {
		at := slices.IndexFunc(own, func(title string) bool { return taken[look(title)] == 1 })
		if at >= 0 {
			chosen[i] = own[at]
			continue
		}
		for n := 1; chosen[i] == ""; n++ {
			if numbered := fmt.Sprintf("%s #%d", own[len(own)-1], n); taken[look(numbered)] == 0 {
				chosen[i] = numbered
				taken[look(numbered)]++
			}
		}
	}
	return chosen
}

// wordEnds are the characters that end a word of a name.
const wordEnds = "-_./:@ "

// firstWord returns the beginning of a name up to and including its first mark, or "".
func firstWord(name string) string {
	if at := strings.IndexAny(name, wordEnds); at >= 0 {
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
	return common[:strings.LastIndexAny(common, wordEnds)+1]
}
