package tray

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"fairlead/app/menu"
	"fairlead/app/session"
)

// screen replaces a tray library. It shows what it is asked to, counts the calls, and enforces the rules of the real
// ones.
type screen struct {
	t     *testing.T
	calls []string
	root  drawn
	icon  string
	tip   string
	quit  chan struct{}
	held  bool
	mutex sync.Mutex // for quit, and for tests that look while the tray runs
}

type drawn struct {
	item    menu.Item
	entries []*drawn
	clicks  chan struct{}
	gone    bool
}

func newScreen(t *testing.T) *screen { return &screen{t: t, quit: make(chan struct{})} }

func (s *screen) call(format string, args ...any) func() {
	s.mutex.Lock()
	s.calls = append(s.calls, fmt.Sprintf(format, args...))
	return s.mutex.Unlock
}

func (s *screen) Run(ready func()) { ready(); <-s.quit }
func (s *screen) Quit()            { close(s.quit) }

func (s *screen) Icon(name string)    { defer s.call("icon %s", name)(); s.icon = name }
func (s *screen) Tooltip(text string) { defer s.call("tooltip %s", text)(); s.tip = text }

func (s *screen) Held() bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.held
}

func (s *screen) Release() { s.hold(false) }

func (s *screen) hold(open bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.held = open
}

func (s *screen) Reset() {
	defer s.call("reset")()
	if s.held {
		s.t.Error("the open menu was taken away")
	}
	s.root.remove()
	s.root = drawn{}
}

func (e *drawn) remove() {
	for _, child := range e.entries {
		child.remove()
		child.gone = true
		close(child.clicks)
	}
}

func (s *screen) Add(parent handle, item menu.Item) (handle, <-chan struct{}) {
	defer s.call("add %s", item.ID)()
	above, ok := parent.(*drawn)
	if !ok {
		above = &s.root
	}
	if above.gone {
		s.t.Errorf("%s is added to an item that is not there", item.ID)
	}
	e := &drawn{item: withoutItems(item), clicks: make(chan struct{})}
	above.entries = append(above.entries, e)
	return e, e.clicks
}

func (s *screen) Update(h handle, from, to menu.Item) {
	defer s.call("update %s", to.ID)()
	e := h.(*drawn)
	if e.gone {
		s.t.Errorf("%s was removed, and would come back", to.ID)
	}
	if !reflect.DeepEqual(e.item, from) {
		s.t.Errorf("%s looks like %+v, not like %+v", to.ID, e.item, from)
	}
	if reflect.DeepEqual(from, to) {
		s.t.Errorf("%s is updated for nothing", to.ID)
	}
	e.item = to
}

// took returns the calls since the last call of took.
func (s *screen) took() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	defer func() { s.calls = nil }()
	return strings.Join(s.calls, "\n")
}

// visible returns the menu as a user sees it. It must equal what menu.Build returns.
func (e *drawn) visible() (items []menu.Item) {
	for _, child := range e.entries {
		item := child.item
		item.Items = child.visible()
		items = append(items, item)
	}
	return items
}

func visible(items []menu.Item) (shown []menu.Item) {
	for _, item := range items {
		item.Items = visible(item.Items)
		shown = append(shown, item)
	}
	return shown
}

func (s *screen) click(id string) bool {
	s.mutex.Lock()
	e := s.root.find(id)
	s.mutex.Unlock()
	if e == nil {
		return false
	}
	select {
	case e.clicks <- struct{}{}: // like the library
		return true
	default:
		return false
	}
}

func (e *drawn) find(id string) *drawn {
	for _, child := range e.entries {
		if child.item.ID == id {
			return child
		}
		if found := child.find(id); found != nil {
			return found
		}
	}
	return nil
}

func snapshot(states ...session.State) session.Snapshot {
	return session.Snapshot{Version: 1, Contexts: states}
}

func state(name string, phase session.Phase) session.State {
	s := session.State{Name: name, Phase: phase, Wanted: phase != session.Off, Usable: true, Endpoints: session.ProxyAt("127.0.0.1:1080")}
	if phase == session.Unavailable || phase == session.Failed {
		s.Reason = "Because."
	}
	return s
}

func drawOn(s *screen, c *canvas, snapshot session.Snapshot) {
	s.t.Helper()
	items := menu.Build(snapshot, menu.Extras{})
	c.draw(items, menu.Icon(snapshot), menu.Tooltip(snapshot, menu.Extras{}))
	if got, want := s.root.visible(), visible(items); !reflect.DeepEqual(got, want) {
		s.t.Errorf("the panel shows\n%+v\nwant\n%+v", got, want)
	}
	if s.icon != menu.Icon(snapshot) || s.tip != menu.Tooltip(snapshot, menu.Extras{}) {
		s.t.Errorf("icon %q, tooltip %q", s.icon, s.tip)
	}
}

func TestWhereOnlyWordsChangeTheMenuIsPatchedInPlace(t *testing.T) {
	s := newScreen(t)
	c := &canvas{painter: s, clicked: func(menu.Item) {}}
	defer c.clear()
	drawOn(s, c, snapshot(state("a", session.Starting), state("b", session.On)))
	if first := s.took(); strings.Contains(first, "reset") {
		t.Errorf("an empty panel was reset:\n%s", first)
	}
	for port := range 3 {
		other := state("b", session.On)
		other.Endpoints = session.ProxyAt(fmt.Sprint("127.0.0.1:", 2000+port))
		drawOn(s, c, snapshot(state("a", session.Starting), other))
		if calls := s.took(); calls == "" || strings.Contains(calls, "reset") || strings.Contains(calls, "/a") || strings.Contains(calls, "add ") {
			t.Errorf("to show another port took:\n%s", calls)
		}
	}
}

func TestSameMenuIsNotDrawnAgain(t *testing.T) {
	s := newScreen(t)
	c := &canvas{painter: s, clicked: func(menu.Item) {}}
	defer c.clear()
	same := snapshot(state("a", session.Unavailable), state("b", session.Off))
	drawOn(s, c, same)
	s.took()
	drawOn(s, c, same)
	if calls := s.took(); calls != "" {
		t.Errorf("nothing changed, yet it took:\n%s", calls)
	}
	elsewhere := state("b", session.Off)
	elsewhere.Endpoints = session.ProxyAt("127.0.0.1:1099") // which is not shown
	drawOn(s, c, snapshot(state("a", session.Unavailable), elsewhere))
	if calls := s.took(); calls != "" {
		t.Errorf("nothing visible changed, yet it took:\n%s", calls)
	}
}

func TestAnotherShapeIsDrawnAgain(t *testing.T) {
	s := newScreen(t)
	c := &canvas{painter: s, clicked: func(menu.Item) {}}
	defer c.clear()
	drawOn(s, c, session.Snapshot{})
	for _, next := range []session.Snapshot{
		snapshot(state("b", session.Off)), snapshot(state("a", session.On)), snapshot(state("a", session.On), state("b", session.Off)),
		snapshot(state("b", session.On), state("a", session.Off)),
		{Version: 9, Contexts: []session.State{state("b", session.Off)}, Problems: []string{"oops"}},
	} {
		s.took()
		drawOn(s, c, next)
		if calls := s.took(); strings.Count(calls, "reset") != 1 {
			t.Errorf("a new shape took:\n%s", calls)
		}
	}
}

func TestClearEndsTheListenersAndTellsNoPhantomClick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScreen(t)
		clicks := make(chan string, 100)
		c := &canvas{painter: s, clicked: func(item menu.Item) { clicks <- item.ID }}
		drawOn(s, c, snapshot(state("a", session.On)))
		synctest.Wait()
		if !s.click("copy-socks5/0//a") || !s.click("copy-http/0//a") {
			t.Error("nothing listens")
		}
		synctest.Wait()
		drawOn(s, c, snapshot(state("a", session.On), state("b", session.Off)))
		synctest.Wait()
		s.click("row/b")
		synctest.Wait()
		c.clear()
		close(clicks)
		var got []string
		for id := range clicks {
			got = append(got, id)
		}
		slices.Sort(got)
		if !slices.Equal(got, []string{"copy-http/0//a", "copy-socks5/0//a", "row/b"}) {
			t.Errorf("clicks: %s", got)
		}
	})
}

func TestLabelsShowAsTheyAreOnEachDesktop(t *testing.T) {
	for _, test := range []struct{ goos, desktops, want string }{
		{"linux", "XFCE", "gke__a__b & c"},
		{"linux", "", "gke__a__b & c"},
		{"linux", "ubuntu:GNOME", "gke__a_b & c"},
		{"linux", "NOTGNOME", "gke__a__b & c"},
		{"linux", "Budgie:GNOME", "gke__a__b & c"},
		{"freebsd", "KDE", "gke__a__b & c"},
		{"windows", "", "gke_a_b && c"},
		{"darwin", "", "gke_a_b & c"},
	} {
		if got := lookOf(test.goos, test.desktops).label(menu.Item{Title: "gke_a_b & c"}); got != test.want {
			t.Errorf("label on %s (%s) = %q, want %q", test.goos, test.desktops, got, test.want)
		}
	}
	for title, want := range map[string]string{"end_": "end_", "_": "_", "__a": "___a", "a__b_c": "a___b_c", "_a": "__a"} {
		if got := lookOf("linux", "GNOME").label(menu.Item{Title: title}); got != want {
			t.Errorf("label of %q in GNOME Shell = %q, want %q", title, got, want)
		}
	}
}

func TestSignsAndBoxesAreInTheLabelWhereNothingElseShowsThem(t *testing.T) {
	for _, test := range []struct {
		item                 menu.Item
		xfce, gnome, windows string
	}{
		{menu.Item{Title: "dev", Icon: "on"}, "dev", "● dev", "● dev"},
		{menu.Item{Title: "dev", Icon: "attention-production"}, "dev", "▲\u2009 dev", "▲\u2009 dev"},
		{menu.Item{Title: "dev", Icon: "unheard of"}, "dev", "dev", "dev"},
		{menu.Item{Title: "Ask", Checkable: true}, "Ask", "☐ Ask", "Ask"},
		{menu.Item{Title: "Ask", Checkable: true, Checked: true}, "Ask", "☑ Ask", "Ask"},
		{menu.Item{Title: "Direct", Checkable: true, Radio: true}, "Direct", "○ Direct", "Direct"},
		{menu.Item{Title: "Direct", Checkable: true, Radio: true, Checked: true}, "Direct", "◉ Direct", "Direct"},
	} {
		xfce, gnome, windows := lookOf("linux", "XFCE").label(test.item), lookOf("linux", "GNOME").label(test.item), lookOf("windows", "").label(test.item)
		if xfce != test.xfce || gnome != test.gnome || windows != test.windows {
			t.Errorf("%+v is %q under xfce, %q in GNOME Shell and %q on Windows", test.item, xfce, gnome, windows)
		}
	}
}
