package tray

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fairlead/app/menu"
	"fairlead/app/session"
)

// asTray makes the test binary a program with a tray.
const asTray = "TRAY_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asTray) != "" {
		os.Exit(trayProgram())
	}
	goleak.VerifyTestMain(m)
}

// trayProgram shows two contexts, whose proxies do nothing, and prints the effects of clicks.
func trayProgram() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	model := session.New(session.Config{Start: func(context.Context, string, bool, func(error)) (session.Proxy, error) { return listener{}, nil }})
	var running sync.WaitGroup
	running.Go(func() {
		if err := model.Run(ctx); err != nil {
			fmt.Println(err)
		}
	})
	err := model.Do(ctx, session.SetContexts{Entries: []session.Entry{{Name: "gke_lab_1"}, {Name: "b"}}})
	var middle atomic.Bool
	go control(ctx, model, &middle)
	if err == nil {
		err = Run(ctx, Config{
			Model:  model,
			Opened: func(_ context.Context, id string) { fmt.Println("opened", id) },
			Say:    func(title, text string) { fmt.Printf("say %s: %s\n", title, text) },
			MiddleClick: func() menu.Click {
				if middle.Load() {
					return menu.Click{Action: menu.CopyURL}
				}
				return menu.Click{}
			},
			Act: func(ctx context.Context, c menu.Click) error {
				switch c.Action {
				case menu.TurnOn:
					fmt.Println("turn on", c.Context)
					return model.Do(ctx, session.Set{Name: c.Context, On: true})
				case menu.Stop:
					return model.Do(ctx, session.Set{Name: c.Context})
				case menu.StopAll:
					return model.Do(ctx, session.StopAll{})
				case menu.CopyHTTP:
					return errors.New("nothing to paste into")
				}
				fmt.Println(c.Action, c.Context)
				return nil
			},
		})
	}
	stop()
	running.Wait()
	var none *NoDesktop
	switch {
	case errors.As(err, &none):
		fmt.Println("fairlead:", err)
		return 3
	case err != nil:
		fmt.Println(err)
		return 1
	}
	fmt.Println("ended in good order")
	return 0
}

// control changes the model, and whether a middle click does anything, as the lines of standard input say, until it ends.
func control(ctx context.Context, model *session.Manager, middle *atomic.Bool) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var err error
		switch verb, name, _ := strings.Cut(lines.Text(), " "); verb {
		case "on":
			err = model.Do(ctx, session.Set{Name: name, On: true})
		case "middle":
			middle.Store(name == "on")
			fmt.Println("middle", name)
		case "trouble":
			err = model.Do(ctx, session.SetContexts{Problems: []string{"The kubeconfig is wrong."}})
		}
		if err != nil {
			fmt.Println(err)
		}
	}
}

func TestPanelShowsTheMenuAndClicksWork(t *testing.T) {
	t.Parallel()
	address, _ := startBus(t)
	panel := startWatcher(t, address)
	p := startProgram(t, "DBUS_SESSION_BUS_ADDRESS="+address)
	i := panel.item(t)
	const loading = "Loading… Open this menu again in a moment."
	want := []string{". No context is on", "--", ". Start", "gke__lab__1", "b", "--", "Fairlead", "Open log folder", "Quit"}
	if got := i.lines(t); !reflect.DeepEqual(got, want) {
		t.Errorf("the menu is\n%q, want\n%q", got, want)
	}
	off := i.property(t, "IconPixmap")

	i.click(t, "gke__lab__1")
	i.waitFor(t, "gke__lab__1  –  :1080")
	want = []string{". 1 on", "--", "gke__lab__1  –  :1080", "Copy socks5h://127.0.0.1:1080", "Services", ". " + loading, "--",
		"More to copy", "Copy http://127.0.0.1:1080", "Options", "Namespace: default", "[x] default", ". " + loading, "Ask for a password", "Treat as production",
		"Stop after: never", "15 minutes", "1 hour", "4 hours", "8 hours", "[x] Never", "--", "Log in again", "Close connections", "Open log", "--",
		"Restart", "Stop", "--", ". Start", "b", "--", "Stop all", "Fairlead", "Open log folder", "Quit"}
	eventually(t, "all of the menu follows", func() bool { return reflect.DeepEqual(i.lines(t), want) })
	if reflect.DeepEqual(i.property(t, "IconPixmap"), off) {
		t.Error("the icon is as before")
	}

	i.click(t, "Copy socks5h://127.0.0.1:1080")
	p.waitFor(t, "copy-socks5 gke_lab_1\n")
	i.click(t, "Copy http://127.0.0.1:1080")
	p.waitFor(t, "say Not copied: nothing to paste into\n")
	i.click(t, "Open log")
	p.waitFor(t, "open-log gke_lab_1\n")
	gone := i.number(t, "Close connections")
	i.click(t, "Stop")
	i.waitFor(t, "gke__lab__1")
	i.event(t, gone) // it was in the menu until now
	i.click(t, ". Start")
	i.click(t, "b")
	i.waitFor(t, "b  –  :1080")
	i.click(t, "Stop all")
	i.waitFor(t, "b")
	i.click(t, "Quit")
	if status := p.end(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if strings.Contains(p.printed(), "close-connections") {
		t.Errorf("a click on what had gone did something:\n%s", p.printed())
	}
	if strings.Contains(p.printed(), "panic") || !strings.Contains(p.printed(), "ended in good order") {
		t.Errorf("it printed\n%s", p.printed())
	}
}

func TestLateAndRestartedPanelsGetTheIcon(t *testing.T) {
	t.Parallel()
	address, _ := startBus(t)
	p := startProgram(t, "DBUS_SESSION_BUS_ADDRESS="+address, "DISPLAY=:none", "XDG_CURRENT_DESKTOP=ubuntu:GNOME")
	p.waitFor(t, "fairlead: no panel here shows tray icons")
	first := startWatcher(t, address)
	first.item(t)
	if err := first.bus.Close(); err != nil {
		t.Fatal(err)
	}
	second := startWatcher(t, address)
	i := second.item(t)
	i.click(t, "gke__lab_1") // GNOME's label
	i.waitFor(t, "● gke__lab_1  –  :1080")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := p.end(t); status != 0 || strings.Count(p.printed(), "no panel") != 1 {
		t.Errorf("exit status %d; it printed\n%s", status, p.printed())
	}
}

func TestEndOfTheSessionEndsTheProgram(t *testing.T) {
	t.Parallel()
	address, stop := startBus(t)
	panel := startWatcher(t, address)
	p := startProgram(t, "DBUS_SESSION_BUS_ADDRESS="+address)
	panel.item(t)
	stop()
	if status := p.end(t); status != 1 || strings.Contains(p.printed(), "panic") || !strings.HasSuffix(p.printed(), "the desktop's session is over\n") {
		t.Errorf("exit status %d; it printed\n%s", status, p.printed())
	}
}

func TestWithoutADesktopItSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	address, _ := startBus(t)
	for name, test := range map[string]struct{ env, want string }{
		"no bus":     {"", "fairlead: there is no D-Bus session bus, which the tray icon needs; `fairlead serve CONTEXT` does"},
		"autolaunch": {"DBUS_SESSION_BUS_ADDRESS=autolaunch:", "there is no D-Bus session bus, which"},
		"dead bus":   {"DBUS_SESSION_BUS_ADDRESS=unix:path=/nowhere/bus", "there is no D-Bus session bus that answers, which the tray icon needs (connect to the session bus at unix:path=/nowhere/bus: "},
		"mute bus":   {"DBUS_SESSION_BUS_ADDRESS=unix:path=" + muteBus(t), "no answer within 3s"},
		"no display": {"DBUS_SESSION_BUS_ADDRESS=" + address, "there is no display, which the tray icon needs"},
	} {
		t.Run(name, func(t *testing.T) {
			p := startProgram(t, "DISPLAY=", test.env)
			if status := p.end(t); status != 3 || !strings.Contains(p.printed(), test.want) {
				t.Errorf("exit status %d; it printed\n%s", status, p.printed())
			}
			if strings.Count(p.printed(), "\n") != 1 {
				t.Errorf("more than a sentence:\n%s", p.printed())
			}
		})
	}
}

// muteBus accepts connections and never responds.
func muteBus(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bus")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "bus")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return path
}

func TestBusIsFoundWhereSystemdPutsIt(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	t.Setenv("XDG_RUNTIME_DIR", dir)
	if got := busAddress(); got != "" {
		t.Errorf("busAddress() = %q in an empty directory", got)
	}
	path := muteBus(t)
	t.Setenv("XDG_RUNTIME_DIR", filepath.Dir(path))
	if got := busAddress(); got != "unix:path="+path {
		t.Errorf("busAddress() = %q, want the socket %s", got, path)
	}
}

func TestConnectingEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := connect(ctx, "unix:path="+muteBus(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("connect() = %v", err)
	}
}
