package menu

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"fairlead/app/session"
)

// Whatever the state and the screen, the menu keeps what keeps checks.
func TestEveryMenuKeepsItsPromises(t *testing.T) {
	for name, s := range snapshots() {
		for room := range 30 {
			x := extras()
			x.Lines = room
			t.Run(fmt.Sprint(name, "/", room), func(t *testing.T) { keeps(t, s, x) })
		}
	}
	for seed := range uint64(120) {
		random := rand.New(rand.NewPCG(seed, 1))
		s, x := randomSnapshot(random), randomExtras(random)
		t.Run(fmt.Sprint("random/", seed), func(t *testing.T) { keeps(t, s, x) })
	}
}

// keeps checks what holds of every menu.
func keeps(t *testing.T, s session.Snapshot, x Extras) {
	t.Helper()
	items := Build(s, x)
	const around = 6 // the state, the problems, the number of contexts that are left out, Stop all, Fairlead and Quit
	limit := MaxRows
	if x.Lines > 0 {
		limit = max(min(MaxRows, x.Lines), around+minRoom)
	}
	if got := rows(items); got > limit {
		t.Errorf("%d rows, and there is room for %d:\n%s", got, limit, text(items, ""))
	}
	seen, stops := map[string]int{}, map[string]int{}
	walk(items, func(item Item) {
		seen[item.ID]++
		if item.Click.Action == Stop {
			stops[item.Click.Context]++
		}
		sound(t, s, item)
	})
	for id, count := range seen {
		if count > 1 || id == "" {
			t.Errorf("ID %q %d times", id, count)
		}
	}
	for _, c := range s.Contexts {
		if len(s.Contexts) <= maxListed && seen["row/"+c.Name] != 1 {
			t.Errorf("%q has %d rows", c.Name, seen["row/"+c.Name])
		}
		if canStop := stops[c.Name] == 1; canStop != (c.Wanted || c.Phase != session.Off && c.Phase != session.Stopping) {
			t.Errorf("%q is %s, and can be stopped: %t", c.Name, c.Phase, canStop)
		}
	}
	if got := depth(items); got > 3 {
		t.Errorf("the menu is %d submenus deep", got)
	}
	siblings(t, "menu", items)
	oneOfAChoice(t, items)
	apart(t, items)
}

// sound checks that an item is either a text, a submenu, or a button that says what to do.
func sound(t *testing.T, s session.Snapshot, item Item) {
	t.Helper()
	kinds := 0
	for _, is := range []bool{item.Separator, item.Disabled, len(item.Items) > 0, item.Click != Click{}} {
		if is {
			kinds++
		}
	}
	if kinds != 1 || item.Radio && !item.Checkable || item.Checked && !item.Checkable {
		t.Errorf("%+v", item)
	}
	if !item.Separator && strings.TrimSpace(item.Title) == "" {
		t.Errorf("%q has no title", item.ID)
	}
	if _, known := s.Context(item.Click.Context); item.Click.Context != "" && !known {
		t.Errorf("a click on %q is about %q", item.ID, item.Click.Context)
	}
}

func depth(items []Item) int {
	deepest := 0
	for _, item := range items {
		if len(item.Items) > 0 {
			deepest = max(deepest, 1+depth(item.Items))
		}
	}
	return deepest
}

// apart checks that separators are between items.
func apart(t *testing.T, items []Item) {
	t.Helper()
	for i, item := range items {
		if item.Separator && (i == 0 || i == len(items)-1 || items[i-1].Separator) {
			t.Errorf("%q separates nothing", item.ID)
		}
		apart(t, item.Items)
	}
}

// oneOfAChoice checks that of the radio items of a submenu exactly one holds.
func oneOfAChoice(t *testing.T, items []Item) {
	t.Helper()
	count, holds := 0, 0
	for _, item := range items {
		if item.Radio {
			count++
		}
		if item.Radio && item.Checked {
			holds++
		}
		oneOfAChoice(t, item.Items)
	}
	if count > 0 && holds != 1 {
		t.Errorf("%d of %d radio items hold:\n%s", holds, count, text(items, ""))
	}
}

// randomSnapshot returns up to 250 contexts in any state.
func randomSnapshot(random *rand.Rand) session.Snapshot {
	s := session.Snapshot{Version: 1}
	pools := lists()
	phases := []session.Phase{session.Off, session.Starting, session.On, session.Unavailable, session.Stopping, session.Failed}
	troubles := []session.Trouble{"", session.LoginNeeded, session.PortTaken, session.Unreachable, session.ChangeFailed, session.Unusable, session.CannotListen}
	busy := random.IntN(5) // of 5
	count := random.IntN(251)
	if random.IntN(3) == 0 {
		count = random.IntN(20)
	}
	taken := map[string]bool{}
	for len(s.Contexts) < count {
		name := fmt.Sprintf([]string{"gke_p%[2]d_zone_c-%[1]d", "arn:aws:eks:eu-1:12345678901%[2]d:cluster/c-%[1]d", "team%[2]d-%[1]d", "%[1]d", "%[1]d.lab"}[random.IntN(5)], random.IntN(300), random.IntN(9))
		for _, pool := range pools {
			if random.IntN(40) == 0 {
				name = pool[random.IntN(len(pool))]
			}
		}
		if taken[name] {
			continue
		}
		taken[name] = true
		c := session.State{
			Name: name, Phase: session.Off, Usable: random.IntN(6) > 0, Production: random.IntN(4) == 0, Password: random.IntN(2) == 0, TLS: random.IntN(5) == 0,
			File: fmt.Sprintf("/k/%d/config", random.IntN(1+random.IntN(12))), Outside: []string{"", direct, refuse, "corp", "gone"}[random.IntN(5)],
			Namespace: []string{"", "web", "gone", "\u202e"}[random.IntN(4)], Endpoints: session.ProxyAt(fmt.Sprint("127.0.0.1:", random.IntN(65536))),
		}
		if random.IntN(5) < busy {
			c.Phase = phases[random.IntN(len(phases))]
			c.Wanted = c.Phase != session.Off && (c.Phase != session.Stopping || random.IntN(2) == 0)
		}
		if random.IntN(3) == 0 {
			c.Used = noon.Add(time.Duration(random.IntN(1000)) * time.Minute)
		}
		if random.IntN(3) == 0 && c.Phase.Listening() {
			c.OffAt = noon.Add(time.Duration(random.IntN(1000)) * time.Minute)
		}
		if c.Phase == session.Failed || c.Phase == session.Unavailable || !c.Usable || random.IntN(9) == 0 {
			c.Trouble, c.Reason = troubles[random.IntN(len(troubles))], strings.Repeat("Some \x1bthing. ", 1+random.IntN(99))
			c.Title = []string{"", "Login needed", "API server away", "\n"}[random.IntN(4)]
			c.Hint = strings.Repeat("x", random.IntN(500))
			c.Login = []string{"", "aws sso login", "a\nb"}[random.IntN(3)]
			c.Warning = strings.Repeat("w ", random.IntN(90))
		}
		s.Contexts = append(s.Contexts, c)
	}
	if count > 0 && random.IntN(2) == 0 {
		s.Contexts[random.IntN(count)].Current = true
	}
	for i := range random.IntN(8) {
		s.Sources = append(s.Sources, fmt.Sprintf("/k/%d/config", i/2))
	}
	for range random.IntN(3) * random.IntN(5) {
		s.Problems = append(s.Problems, strings.Repeat("wrong ", 1+random.IntN(50)))
	}
	for range random.IntN(3) * random.IntN(5) {
		s.SettingsProblems = append(s.SettingsProblems, strings.Repeat("wrong ", 1+random.IntN(50)))
	}
	return s
}

func randomExtras(random *rand.Rand) Extras {
	x := extras()
	x.Lines = max(0, random.IntN(40)-10)
	x.Terminal, x.LoadsOnOpen = random.IntN(2) == 0, random.IntN(2) == 0
	if random.IntN(4) == 0 {
		x.RootWarning, x.Sudo = "It runs as root.", random.IntN(2) == 0
	}
	x.Upstreams = [][]string{nil, {"corp"}, {"corp", "\u202e", "a b"}}[random.IntN(3)]
	x.Browsers = x.Browsers[:random.IntN(3)]
	x.Contexts = map[string]Extra{}
	for i := range 300 {
		extra := Extra{Loading: random.IntN(3) == 0, PAC: random.IntN(2) == 0, Namespaces: manyNamespaces(), Services: manyServices()[:random.IntN(maxServices)]}
		switch random.IntN(3) {
		case 0:
			extra.Namespaces, extra.Services, extra.LoadFailed = nil, nil, "The API server does not answer."
		case 1:
			extra.Namespaces, extra.Services = nil, nil
		}
		x.Contexts[fmt.Sprint(i)] = extra
	}
	return x
}

// A panel reads the whole menu including submenus, so of very many contexts it shows only some.
func TestAMenuHasABoundedNumberOfLines(t *testing.T) {
	s := session.Snapshot{Version: 1, Contexts: many(60000, 3)}
	on, used := 40000, 50000
	s.Contexts[on].Phase, s.Contexts[on].Wanted, s.Contexts[on].Endpoints = session.On, true, session.ProxyAt("127.0.0.1:1080")
	s.Contexts[used].Used = time.Unix(1, 0)
	for _, room := range []int{0, 12, 40} {
		x := extras()
		x.Lines = room
		items := Build(s, x)
		seen, all := map[string]bool{}, 0
		walk(items, func(item Item) { seen[item.ID], all = true, all+1 })
		if all > 4*maxListed {
			t.Errorf("%d lines, submenus included", all)
		}
		for _, i := range []int{0, on, used} {
			if name := s.Contexts[i].Name; !seen["row/"+name] {
				t.Errorf("%q has no line", name)
			}
		}
		if !seen["contexts/more"] {
			t.Error("nothing is said of the others")
		}
	}
}

func TestWhatStandsAloneSaysWhatItIsFor(t *testing.T) {
	titles := func(contexts []session.State, room int) (titles []string) {
		for _, item := range Build(session.Snapshot{Version: 1, Contexts: contexts}, Extras{Lines: room}) {
			if !item.Separator {
				titles = append(titles, item.Title)
			}
		}
		return titles
	}
	used := many(200, 12)
	used[3].Used = noon
	for _, c := range []struct {
		contexts []session.State
		want     string
	}{
		{many(200, 12), "No context is on, Start a context (200), Fairlead, Quit"},
		{used, "No context is on, Start, kind-3, More (199), Fairlead, Quit"},
	} {
		if got := strings.Join(titles(c.contexts, 12), ", "); got != c.want {
			t.Errorf("%s, and should be %s", got, c.want)
		}
	}
}

func TestSentencesAreWrapped(t *testing.T) {
	for sentence, want := range map[string][]string{
		"":                           nil,
		"short":                      {"short"},
		strings.Repeat("a", 70):      {strings.Repeat("a", 64), strings.Repeat("a", 6)},
		strings.Repeat("word ", 15):  {strings.TrimSpace(strings.Repeat("word ", 13)), "word word"},
		strings.Repeat("word ", 500): nil,
	} {
		got := wrap(sentence)
		if want != nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q", sentence, got)
		}
		if len(got) > maxHeight {
			t.Errorf("%d lines", len(got))
		}
		for _, line := range got {
			if runeCount(line) > maxWidth || strings.TrimSpace(line) != line || line == "" {
				t.Errorf("%q", line)
			}
		}
	}
}
