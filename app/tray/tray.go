// Package tray shows the model in the desktop's panel: it draws what package menu returns, and passes on clicks.
//
// It decides neither what is in the menu nor what a click does. On free desktops, panels read the icon and the menu
// over D-Bus: notifier_dbus.go serves them, answer_dbus.go makes the responses and tree_dbus.go holds the menu in their
// form. On Windows and macOS a library draws. Only systray.go knows it, and draw.go calls it as little as possible.
package tray

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"fairlead/app/menu"
	"fairlead/app/session"
)

// drawEvery is the least time between two drawings, so that a burst of changes is drawn once, and the interval at which
// an open menu is checked.
const drawEvery = 100 * time.Millisecond

// Model is what the tray shows and controls. *session.Manager implements it.
type Model interface {
	Watch(context.Context) iter.Seq[session.Snapshot]
	Do(context.Context, session.Intent) error
}

// Config configures the tray. Only Model is required; clicks without a handler do nothing.
type Config struct {
	Model Model
	// Extras returns what the menu shows beyond the snapshot. It is called before each drawing, by one goroutine, and
	// must not block.
	Extras func() menu.Extras
	// Redraw requests a drawing although the model has not changed, because the Extras have. It should have room for
	// one token.
	Redraw <-chan struct{}
	// Act carries out a click on an item that can be clicked; menu.Quit is handled by the tray. It is called by one
	// goroutine that does not draw, and must return in bounded time. Its error is shown by Say.
	Act func(context.Context, menu.Click) error
	// MiddleClick returns what a middle click on the icon requests, for Act; the zero Click requests nothing. It may be
	// called by any goroutine, and must not block.
	MiddleClick func() menu.Click
	// Opened is called with the ID of an item whose submenu was opened, so that what it shows can be loaded, if the panel
	// reports that. It is called by the same goroutine as Act, and must return in bounded time, too.
	Opened func(ctx context.Context, id string)
	// MenuShown reports whether any menu is on the screen, and whether that can be known. It is for panels that do not
	// say when the menu was closed, may be called by any goroutine, and must return when its context ends.
	MenuShown func(context.Context) (shown, known bool)
	// Say shows the user that a click failed.
	Say func(title, text string)
	Log zerolog.Logger
	// Stderr gets one sentence if there is no panel to show the icon. If nil, it is os.Stderr.
	Stderr io.Writer
}

// toolkit is what the tray needs of a desktop. Show is called by one goroutine at a time, after Run has called ready
// and before Quit.
type toolkit interface {
	// Run shows the icon until Quit. It calls ready once, and shows what was drawn by then when ready has returned.
	Run(ready func())
	Quit()
	// Held reports whether the menu is open and must not be changed while it is.
	Held() bool
	// Opens reports whether it reports submenus that are opened.
	Opens() bool
	// Show makes the panel show a drawing, with as few changes as possible. If the menu is open, its lines do not change
	// until it is closed.
	Show(drawing)
}

// fewestLines is how many lines of a submenu must be visible where it unfolds inside the menu.
const fewestLines = 4

// drawing is everything that the panel shows.
type drawing struct {
	items         []menu.Item
	icon, tooltip string
	attention     bool // the user has to do something
	lines         int  // of the screen, if submenus unfold inside the menu; otherwise 0
}

// NoDesktop is the error that there can be no tray.
type NoDesktop struct {
	Missing string // completes "there is no …, which the tray icon needs"
	Err     error  // may be nil
}

// Error returns what is missing and what to use instead.
func (e *NoDesktop) Error() string {
	detail := ""
	if e.Err != nil {
		detail = fmt.Sprintf(" (%v)", e.Err)
	}
	return "there is no " + e.Missing + ", which the tray icon needs" + detail + "; " + instead
}

func (e *NoDesktop) Unwrap() error { return e.Err }

const instead = "`fairlead serve CONTEXT` does the same in the foreground, without a desktop"

// Possible returns a *NoDesktop if no tray is possible. It shows nothing. The panel may still be missing.
func Possible(ctx context.Context) error {
	d, err := openDesktop(ctx)
	if err != nil {
		return err
	}
	d.close()
	return nil
}

// Run shows the tray until ctx is cancelled, Quit is clicked, or the model ends, and then returns nil. If the user's
// session ends first, it returns an error, because on some desktops nothing else tells programs of that. It must be
// called from the program's first goroutine, and only once, because desktops require that. If no tray is possible it
// returns a *NoDesktop without trying.
//
// If there is no panel yet, Run waits for one. When none has come after some seconds, it writes that to Stderr and Log.
func Run(ctx context.Context, c Config) error {
	if c.Extras == nil {
		c.Extras = func() menu.Extras { return menu.Extras{} }
	}
	if c.Act == nil {
		c.Act = func(context.Context, menu.Click) error { return nil }
	}
	if c.MiddleClick == nil {
		c.MiddleClick = func() menu.Click { return menu.Click{} }
	}
	if c.MenuShown == nil {
		c.MenuShown = func(context.Context) (bool, bool) { return false, false }
	}
	if c.Opened == nil {
		c.Opened = func(context.Context, string) {}
	}
	if c.Say == nil {
		c.Say = func(string, string) {}
	}
	if c.Stderr == nil {
		c.Stderr = os.Stderr
	}
	d, err := openDesktop(ctx)
	if err != nil {
		return err
	}
	return run(ctx, c, d, func(on events) (toolkit, error) { return newToolkit(d, on, c.MenuShown) })
}

// tray runs three goroutines: one owns the toolkit, one carries out clicks, one looks for the panel.
type tray struct {
	config  Config
	events  chan event
	quit    func()
	room    atomic.Int64  // how many lines the screen has room for; 0 means any number
	resized chan struct{} // holds a token if room has changed
}

// surroundings observe the desktop that shows the tray. A desktop implements them.
type surroundings interface {
	hasPanel(context.Context) bool
	// room returns the number of lines of the menu and its submenus that the screen is assumed to have room for until
	// watchRoom reports it; 0 means any number.
	room() int
	// watchRoom calls its function with that number when it is known and whenever it changes, until ctx ends. It may
	// return without calling it.
	watchRoom(ctx context.Context, report func(lines int))
	// gone returns a channel that is closed when the user's session is over.
	gone() <-chan struct{}
	close()
}

var errSessionOver = errors.New("the desktop's session is over")

func run(ctx context.Context, c Config, around surroundings, kitFor func(events) (toolkit, error)) error {
	ctx, quit := context.WithCancelCause(ctx)
	defer quit(nil)
	t := &tray{config: c, events: make(chan event, 16), quit: func() { quit(nil) }, resized: make(chan struct{}, 1)}
	t.room.Store(int64(around.room()))
	kit, err := kitFor(events{t.clicked, t.opened, t.middleClicked})
	if err != nil {
		around.close()
		return err
	}
	var owned sync.WaitGroup
	owned.Go(func() { t.act(ctx) })
	owned.Go(func() {
		defer around.close()
		var watching sync.WaitGroup
		defer watching.Wait()
		watching.Go(func() { around.watchRoom(ctx, t.resize) })
		t.waitForPanel(ctx, around)
		select {
		case <-around.gone():
			quit(errSessionOver)
		case <-ctx.Done():
		}
	})
	kit.Run(func() {
		// The panel gets the menu when this function has returned, so the first one must be drawn by then.
		drawn := make(chan struct{})
		owned.Go(func() {
			defer kit.Quit()
			t.draw(ctx, kit, sync.OnceFunc(func() { close(drawn) }))
		})
		<-drawn
	})
	quit(nil)
	owned.Wait()
	if err := context.Cause(ctx); errors.Is(err, errSessionOver) {
		return err
	}
	return nil
}

// draw draws the model and the extras, until the model or ctx ends. It calls drawn after each drawing, or once at the
// end if there was none.
func (t *tray) draw(ctx context.Context, kit toolkit, drawn func()) {
	defer drawn()
	ctx, cancel := context.WithCancel(ctx)
	snapshots := make(chan session.Snapshot)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() {
		defer close(snapshots)
		for snapshot := range t.config.Model.Watch(ctx) {
			select {
			case snapshots <- snapshot:
			case <-ctx.Done():
			}
		}
	})
	snapshot, ok := <-snapshots
	for ok {
		for kit.Held() {
			if ctx.Err() != nil {
				return
			}
			pause(ctx)
		}
		extras := t.config.Extras()
		extras.LoadsOnOpen = kit.Opens()
		lines := int(t.room.Load())
		if lines > 0 {
			extras.Lines = max(1, lines-fewestLines) // for the submenu that is opened next to the screen's edge
		}
		kit.Show(drawing{
			items: menu.Build(snapshot, extras), icon: menu.Icon(snapshot), tooltip: menu.Tooltip(snapshot, extras),
			attention: snapshot.Sign() == session.SignAttention, lines: lines,
		})
		drawn()
		pause(ctx)
		select {
		case snapshot, ok = <-snapshots:
		case <-t.config.Redraw:
		case <-t.resized:
		}
	}
}

func pause(ctx context.Context) {
	select {
	case <-time.After(drawEvery):
	case <-ctx.Done():
	}
}

// resize sets how many lines there is room for.
func (t *tray) resize(lines int) {
	if t.room.Swap(int64(lines)) == int64(lines) {
		return
	}
	select {
	case t.resized <- struct{}{}:
	default: // a drawing is pending already
	}
}

// panelWait is how long a panel may take to appear before that is reported. Desktops start it at the same time as
// programs.
const panelWait = 5 * time.Second

func (t *tray) waitForPanel(ctx context.Context, around surroundings) {
	waited, cancel := context.WithTimeout(ctx, panelWait)
	defer cancel()
	for !around.hasPanel(waited) {
		select {
		case <-time.After(panelWait / 50):
		case <-around.gone():
			return
		case <-waited.Done():
			if ctx.Err() == nil {
				t.config.Log.Warn().Msg("no panel shows tray icons")
				fmt.Fprintln(t.config.Stderr, "fairlead: no panel here shows tray icons (on GNOME the AppIndicator extension does); Fairlead waits for one, and "+instead)
			}
			return
		}
	}
}
