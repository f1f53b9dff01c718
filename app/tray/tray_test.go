package tray

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/app/menu"
	"fairlead/app/session"
)

// spot replaces the desktop around the tray.
type spot struct {
	panel  atomic.Bool
	closed atomic.Bool
	lines  int
	size   chan int // what watchRoom reports; nil for nothing
}

func (p *spot) hasPanel(context.Context) bool { return p.panel.Load() }
func (p *spot) room() int                     { return p.lines }
func (p *spot) gone() <-chan struct{}         { return nil }
func (p *spot) watchRoom(ctx context.Context, report func(int)) {
	for {
		select {
		case lines := <-p.size:
			report(lines)
		case <-ctx.Done():
			return
		}
	}
}
func (p *spot) close() { p.closed.Store(true) }

// listener is a proxy that only has an address.
type listener struct{}

func (listener) Endpoints() session.Endpoints    { return session.ProxyAt("127.0.0.1:1080") }
func (listener) Serve(ctx context.Context) error { <-ctx.Done(); return nil }

// bench is a tray with a real model and a test's screen.
type bench struct {
	screen *screen
	model  *session.Manager
	place  *spot
	mutex  sync.Mutex
	stderr string
	did    []string    // what was copied, opened or shown
	fail   error       // what Act returns
	hangs  atomic.Bool // Act returns when its context ends
	extras menu.Extras
	redraw chan struct{}
	stop   func()
	ended  chan struct{}
}

func start(t *testing.T, panel bool) *bench {
	t.Helper()
	return startWith(t, panel, 0)
}

// startWith starts a tray on a screen that is assumed to have room for some lines.
func startWith(t *testing.T, panel bool, lines int) *bench {
	t.Helper()
	b := &bench{screen: newScreen(t), place: &spot{lines: lines, size: make(chan int)}, ended: make(chan struct{}), redraw: make(chan struct{}, 1)}
	b.place.panel.Store(panel)
	b.model = session.New(session.Config{Start: func(context.Context, string, bool, func(error)) (session.Proxy, error) {
		time.Sleep(time.Second)
		return listener{}, nil
	}})
	ctx, stop := context.WithCancel(t.Context())
	b.stop = stop
	var both sync.WaitGroup
	both.Go(func() {
		if err := b.model.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	if err := b.model.Do(ctx, session.SetContexts{Entries: []session.Entry{{Name: "a"}, {Name: "b/c"}}}); err != nil {
		t.Fatal(err)
	}
	did := func(what string) error {
		b.mutex.Lock()
		defer b.mutex.Unlock()
		b.did = append(b.did, what)
		return b.fail
	}
	both.Go(func() {
		defer stop()
		err := run(ctx, Config{
			Model: b.model, Stderr: b, Redraw: b.redraw,
			Extras: func() menu.Extras { b.mutex.Lock(); defer b.mutex.Unlock(); return b.extras },
			Act: func(ctx context.Context, c menu.Click) error {
				if b.hangs.Load() {
					<-ctx.Done()
					return ctx.Err()
				}
				switch c.Action {
				case menu.TurnOn:
					return b.model.Do(ctx, session.Set{Name: c.Context, On: true})
				case menu.Stop:
					return b.model.Do(ctx, session.Set{Name: c.Context})
				case menu.StopAll:
					return b.model.Do(ctx, session.StopAll{})
				}
				return did(fmt.Sprint(c))
			},
			Say: func(title, text string) { _ = did("say " + title + ": " + text) },
		}, b.place, func(on events) (toolkit, error) { return newPainted(b.screen, on.clicked), nil })
		if err != nil {
			t.Error(err)
		}
	})
	go func() { both.Wait(); close(b.ended) }()
	t.Cleanup(func() { stop(); <-b.ended })
	synctest.Wait()
	return b
}

// Write receives standard error.
func (b *bench) Write(text []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.stderr += string(text)
	return len(text), nil
}

func (b *bench) said() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.stderr
}

// shows reports whether a visible line of the menu contains these words.
func (b *bench) shows(words string) bool {
	b.screen.mutex.Lock()
	defer b.screen.mutex.Unlock()
	for _, item := range b.screen.root.visible() {
		if strings.Contains(item.Title, words) {
			return true
		}
	}
	return false
}

// click clicks and waits until the tray has drawn the result.
func (b *bench) click(t *testing.T, id string) {
	t.Helper()
	if !b.screen.click(id) {
		t.Errorf("nothing listens to %s", id)
	}
	time.Sleep(drawEvery)
	synctest.Wait()
}

func (b *bench) actions() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	defer func() { b.did = nil }()
	return strings.Join(b.did, "; ")
}

func TestClickSwitchesAndTheMenuFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, true)
		if !b.shows("No context is on") {
			t.Errorf("the panel shows %+v", b.screen.root.visible())
		}
		b.click(t, "row/b/c")
		if !b.shows("b/c  –  starting…") {
			t.Error("no word of its start")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !b.shows("b/c  –  :1080") || b.screen.icon != "on" {
			t.Errorf("the panel shows %+v", b.screen.root.visible())
		}
		b.click(t, "copy-socks5/0//b/c")
		b.click(t, "open-log/0//b/c")
		if got := b.actions(); got != "{copy-socks5 b/c }; {open-log b/c }" {
			t.Error(got)
		}
		b.click(t, "stop/0//b/c")
		b.click(t, "row/a")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !b.shows("a  –  :1080") || b.shows("b/c  –  :1080") {
			t.Errorf("the panel shows %+v", b.screen.root.visible())
		}
		b.click(t, "stop-all")
		if b.shows(":1080") || b.screen.icon != "off" {
			t.Errorf("the panel shows %+v", b.screen.root.visible())
		}
	})
}

func TestClicksOnWhatIsDisabledDoNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, true)
		before := b.model.Snapshot().Version
		for _, id := range []string{"caption/start", "status"} {
			b.click(t, id)
		}
		if got := b.actions(); got != "" || b.model.Snapshot().Version != before {
			t.Errorf("did %q, snapshot %+v", got, b.model.Snapshot())
		}
	})
}

func TestFailureOfAClickIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, true)
		b.fail = errors.New("there is no clipboard")
		b.click(t, "row/a")
		time.Sleep(2 * time.Second)
		b.click(t, "copy-http/0//a")
		b.click(t, "open-log/0//a")
		b.click(t, "log-in/0//a")
		if got := b.actions(); got != "{copy-http a }; say Not copied: there is no clipboard; {open-log a }; say Not opened: there is no clipboard; "+
			"{log-in a }; say Not done: Log in again: there is no clipboard" {
			t.Error(got)
		}
	})
}

func TestOtherExtrasAreDrawnWhenAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, true)
		time.Sleep(time.Second)
		b.mutex.Lock()
		b.extras.Version = "v9"
		b.mutex.Unlock()
		b.redraw <- struct{}{}
		time.Sleep(time.Second)
		synctest.Wait()
		b.screen.mutex.Lock()
		defer b.screen.mutex.Unlock()
		if b.screen.root.find("copy-version") == nil {
			t.Errorf("the panel shows %+v", b.screen.root.visible())
		}
	})
}

func TestMenuIsShortUntilTheScreenIsKnown(t *testing.T) {
	for lines, short := range map[int]bool{0: false, 14: true} {
		synctest.Test(t, func(t *testing.T) {
			b := startWith(t, true, lines)
			var entries []session.Entry
			for i := range 12 {
				entries = append(entries, session.Entry{Name: fmt.Sprint("context-", i)})
			}
			if err := b.model.Do(t.Context(), session.SetContexts{Entries: entries}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if got := b.shows("More ("); got != short {
				t.Errorf("assuming room for %d lines, the menu is short: %t", lines, got)
			}
		})
	}
}

func TestMenuFitsTheScreenThatThereIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, true)
		var entries []session.Entry
		for i := range 12 {
			entries = append(entries, session.Entry{Name: fmt.Sprint("context-", i)})
		}
		if err := b.model.Do(t.Context(), session.SetContexts{Entries: entries}); err != nil {
			t.Fatal(err)
		}
		for _, screen := range []struct {
			lines, others int // others is how many contexts are in a submenu
		}{{0, 0}, {14, 7}, {40, 0}, {13, 8}} {
			b.place.size <- screen.lines
			time.Sleep(time.Second)
			synctest.Wait()
			want := fmt.Sprintf("More (%d)", screen.others)
			if b.shows("More (") != (screen.others > 0) || screen.others > 0 && !b.shows(want) {
				t.Errorf("with room for %d lines %d contexts are not in a submenu", screen.lines, screen.others)
			}
		}
	})
}

func TestBurstOfChangesCostsThePanelLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, true)
		time.Sleep(time.Second)
		on := false
		toggle := func(times int) (calls int) {
			b.screen.took()
			for range times {
				on = !on
				if err := b.model.Do(t.Context(), session.Set{Name: "a", On: on}); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(drawEvery)
			synctest.Wait()
			return strings.Count(b.screen.took(), "\n")
		}
		one := toggle(1) // which may draw the whole menu again
		time.Sleep(time.Second)
		if calls := toggle(200); calls > 2*one {
			t.Errorf("200 changes took %d calls, and one %d", calls, one)
		}
		time.Sleep(time.Minute)
		if !b.shows("a  –  :1080") {
			t.Errorf("the panel shows %+v", b.screen.root.visible())
		}
	})
}

func TestQuitEndsTheTrayAndItsGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, true)
		b.click(t, "quit")
		<-b.ended
		if len(b.screen.root.entries) != 0 || !b.place.closed.Load() {
			t.Error("something is left")
		}
	})
}

func TestAnOpenMenuIsLeftAloneWhereItMustBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, true)
		b.screen.hold(true)
		b.click(t, "row/a")
		time.Sleep(time.Minute)
		if !b.shows("No context is on") || b.shows(":1080") {
			t.Errorf("the open menu became %+v", b.screen.root.visible())
		}
		b.screen.hold(false)
		time.Sleep(time.Second)
		synctest.Wait()
		if !b.shows("a  –  :1080") {
			t.Errorf("the closed menu stayed %+v", b.screen.root.visible())
		}
	})
}

func TestRowsMoveOnlyWhileTheMenuIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, true)
		rows := func() (rows string) {
			time.Sleep(time.Second) // in the bubble's time
			synctest.Wait()
			b.screen.mutex.Lock()
			defer b.screen.mutex.Unlock()
			for _, item := range b.screen.root.visible() {
				if item.Click.Action == menu.TurnOn {
					rows += item.Title + "; "
				}
			}
			return rows
		}
		makeCurrent := func(name string) {
			if err := b.model.Do(t.Context(), session.SetContexts{Entries: []session.Entry{{Name: "a", Current: name == "a"}, {Name: "b/c", Current: name == "b/c"}}}); err != nil {
				t.Fatal(err)
			}
		}
		for i, step := range []struct{ current, want string }{{"", "a; b/c; "}, {"b/c", "★ b/c; a; "}, {"a", "★ a; b/c; "}, {"", "a; b/c; "}} {
			makeCurrent(step.current)
			if got := rows(); got != step.want {
				t.Errorf("step %d: %s", i, got)
			}
		}
		makeCurrent("b/c")
		rows()
		b.screen.hold(true)
		makeCurrent("a")
		if got := rows(); got != "★ b/c; a; " {
			t.Errorf("the open menu became %s", got)
		}
		b.screen.hold(false)
		if got := rows(); got != "★ a; b/c; " {
			t.Errorf("the closed menu stayed %s", got)
		}
	})
}

func TestTheEndClosesAMenuThatIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, true)
		b.screen.hold(true)
		b.click(t, "row/a")
		b.stop()
		<-b.ended
		if len(b.screen.root.entries) != 0 {
			t.Error("something is left")
		}
	})
}

func TestQuitWaitsForNoOtherClick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, true)
		b.hangs.Store(true)
		b.click(t, "row/a")
		b.click(t, "quit")
		select {
		case <-b.ended:
		default:
			t.Error("it waits for what another click asks for")
		}
	})
}

func TestEndOfTheContextEndsTheTray(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, true)
		b.stop()
		<-b.ended
		if b.said() != "" {
			t.Errorf("said %q", b.said())
		}
	})
}

func TestAMissingPanelIsReportedOnceAndOnlyIfItStaysMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, false)
		time.Sleep(panelWait - time.Second)
		synctest.Wait()
		if b.said() != "" {
			t.Errorf("said too soon: %q", b.said())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if said := b.said(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "no panel") || !strings.Contains(said, "fairlead serve") {
			t.Errorf("said %q", said)
		}
		b.click(t, "row/a") // the tray goes on nevertheless
		if !b.shows("a  –  starting…") {
			t.Errorf("the panel shows %+v", b.screen.root.visible())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		b := start(t, false)
		time.Sleep(panelWait - time.Second)
		b.place.panel.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if b.said() != "" {
			t.Errorf("said %q of a panel that came late", b.said())
		}
	})
}
