// Package tray shows the model in the desktop's panel: it draws what package menu says, and hands on clicks.
//
// It decides neither what stands in the menu nor what a click does. On free desktops panels ask for the icon and the menu over D-Bus:
// notifier_dbus.go answers them, answer_dbus.go has the answers and tree_dbus.go the menu in their form. On Windows and macOS a library
// draws, which systray.go alone knows; draw.go tells it as little as it can.
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

// drawEvery is the least time between two drawings, so that a burst of changes costs the panel one; and between two looks at whether a
// menu is still open.
const drawEvery = 100 * time.Millisecond

// Model is what the tray shows and asks. A *session.Manager is one.
type Model interface {
	Watch(context.Context) iter.Seq[session.Snapshot]
	Do(context.Context, session.Intent) error
}

// Config is what the tray works with. Only Model is required; a click on what is left out does nothing.
type Config struct {
	Model Model
	// Extras are what the menu says beyond the snapshot. It is called before each drawing, by one goroutine, and must not block.
	Extras func() menu.Extras
	// Redraw asks for a drawing though the model is as it was: for other Extras. It is best given room for one token.
	Redraw <-chan struct{}
	// Act does what a click asks for, all but menu.Quit. It is called beside the drawing, once at a time, with a click on what stands
	// in the menu and can be clicked there, and must return in bounded time. Its error is what the user is told by Say.
	Act func(context.Context, menu.Click) error
	// Say tells the user that a click came to nothing.
	Say func(title, text string)
	Log zerolog.Logger
	// Stderr is told in one sentence when there is no panel to be seen in. Nil means os.Stderr.
	Stderr io.Writer
}

// toolkit is what the tray needs of a desktop. Show is called by one goroutine at a time, only after Run has called ready and before Quit.
type toolkit interface {
	// Run shows the icon until Quit. It calls ready once, and shows what was drawn by then when that has returned.
	Run(ready func())
	Quit()
	// Held says whether the menu is open on the screen where one that is open must not be changed.
	Held() bool
	// Show makes the panel show a drawing, changing as little as it can.
	Show(drawing)
}

// drawing is all that the panel shows.
type drawing struct {
	items         []menu.Item
	icon, tooltip string
	lines         int // of the screen, where submenus unfold within the menu; else 0
}

// NoDesktop is why there can be no tray here.
type NoDesktop struct {
	Missing string // what there is not, as in "there is no …, which the tray icon needs"
	Err     error  // may be nil
}

// Error says what is missing and what to do without.
func (e *NoDesktop) Error() string {
	detail := ""
	if e.Err != nil {
		detail = fmt.Sprintf(" (%v)", e.Err)
	}
	return "there is no " + e.Missing + ", which the tray icon needs" + detail + "; " + instead
}

func (e *NoDesktop) Unwrap() error { return e.Err }

const instead = "`fairlead serve CONTEXT` does the same in the foreground, without a desktop"

// Possible returns a *NoDesktop where no tray is possible, and shows nothing. The panel may be missing still.
func Possible(ctx context.Context) error {
	d, err := openDesktop(ctx)
	if err != nil {
		return err
	}
	d.close()
	return nil
}

// Run is the program's tray: it shows it until ctx is cancelled, Quit is clicked, or the model ends, and then returns nil. When the
// user's session ends before, it returns an error: on some desktops nothing else tells programs of that. The first goroutine of the program must call it, and
// only once: that is what desktops ask for. Where no tray is possible it returns a *NoDesktop without having tried.
//
// A panel that is not there yet is waited for, and when it has not come after some seconds, Stderr and Log are told.
func Run(ctx context.Context, c Config) error {
	if c.Extras == nil {
		c.Extras = func() menu.Extras { return menu.Extras{} }
	}
	if c.Act == nil {
		c.Act = func(context.Context, menu.Click) error { return nil }
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
	return run(ctx, c, d, func(clicked func(string)) (toolkit, error) { return newToolkit(d, clicked) })
}

// tray is the three goroutines of run: one owns the toolkit, one does what clicks ask for, one looks for the panel.
type tray struct {
	config  Config
	clicks  chan string                 // IDs of items
	showing atomic.Pointer[[]menu.Item] // what was drawn last
	quit    func()
	room    atomic.Int64  // how many lines the screen has room for; 0: any number
	resized chan struct{} // holds one token when room changed
}

// surroundings are where the tray is to be seen. A desktop is one.
type surroundings interface {
	hasPanel(context.Context) bool
	// watchRoom tells how many lines of the menu and its submenus the screen has room for, at first and whenever that changes, until ctx ends. It may tell nothing, and return.
	watchRoom(ctx context.Context, report func(lines int))
	// gone is closed when the user's session is over, and no icon will ever be seen again.
	gone() <-chan struct{}
	close()
}

var errSessionOver = errors.New("the desktop's session is over")

func run(ctx context.Context, c Config, around surroundings, kitFor func(clicked func(id string)) (toolkit, error)) error {
	ctx, quit := context.WithCancelCause(ctx)
	defer quit(nil)
	t := &tray{config: c, clicks: make(chan string, 16), quit: func() { quit(nil) }, resized: make(chan struct{}, 1)}
	t.showing.Store(&[]menu.Item{})
	kit, err := kitFor(t.clicked)
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
		// The panel gets the menu once this function has returned, so the first one is drawn by then.
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

// draw keeps the panel true to the model and the extras, until the model or ctx ends. It calls drawn after each time, or once when there was none.
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
			rest(ctx)
		}
		extras := t.config.Extras()
		lines := int(t.room.Load())
		if lines > 0 {
			extras.Lines = max(1, lines-2) // so that a line may be higher than thought
		}
		items := menu.Build(snapshot, extras)
		t.showing.Store(&items)
		kit.Show(drawing{items, menu.Icon(snapshot), menu.Tooltip(snapshot, extras), lines})
		drawn()
		rest(ctx)
		select {
		case snapshot, ok = <-snapshots:
		case <-t.config.Redraw:
		case <-t.resized:
		}
	}
}

func rest(ctx context.Context) {
	select {
	case <-time.After(drawEvery):
	case <-ctx.Done():
	}
}

// resize takes over how many lines there is room for.
func (t *tray) resize(lines int) {
	if t.room.Swap(int64(lines)) == int64(lines) {
		return
	}
	select {
	case t.resized <- struct{}{}:
	default: // it will be drawn anyway
	}
}

// clicked is told of a click, in the goroutine that listens to the item, and must not keep it: the toolkit drops a click that nobody
// is waiting for. Quit does not wait for what earlier clicks ask for, and ends that.
func (t *tray) clicked(id string) {
	if item, ok := menu.Find(*t.showing.Load(), id); ok && item.Click.Action == menu.Quit {
		t.quit()
		return
	}
	select {
	case t.clicks <- id:
	default:
		t.config.Log.Warn().Str("item", id).Msg("too many clicks, one dropped")
	}
}

// panelWait is how long a panel may take to appear before its absence is said: desktops start it beside the programs in it.
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
