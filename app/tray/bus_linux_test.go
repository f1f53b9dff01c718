package tray

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"
)

// busConfig configures a session bus that starts no services.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>`

// eventually polls until a condition on other processes holds.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// startBus starts a private session bus and returns its address, and a function that ends it before the test does.
func startBus(t *testing.T) (address string, stop func()) {
	t.Helper()
	program, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Fatal("this test needs dbus-daemon: apt-get install -y --no-install-recommends dbus")
	}
	dir, err := os.MkdirTemp("", "bus") // short, for the path of a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	config := filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, busConfig, dir), 0o600); err != nil {
		t.Fatal(err)
	}
	daemon := exec.Command(program, "--config-file="+config, "--nofork", "--nopidfile", "--print-address=1")
	daemon.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() { _ = daemon.Process.Kill(); _ = daemon.Wait() })
	t.Cleanup(stop)
	address, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(address), stop
}

// connectTo returns a connection of the test's own.
func connectTo(t *testing.T, address string) *dbus.Conn {
	t.Helper()
	bus, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bus.Close() })
	return bus
}

// watcher is a panel on the bus, with which icons register.
type watcher struct {
	bus   *dbus.Conn
	mutex sync.Mutex
	items []dbus.Sender
}

func startWatcher(t *testing.T, address string) *watcher {
	t.Helper()
	const name, path = "org.kde.StatusNotifierWatcher", "/StatusNotifierWatcher"
	w := &watcher{bus: connectTo(t, address)}
	if err := w.bus.Export(w, path, name); err != nil {
		t.Fatal(err)
	}
	_, err := prop.Export(w.bus, path, prop.Map{name: {
		"IsStatusNotifierHostRegistered": {Value: true}, "ProtocolVersion": {Value: int32(0)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if reply, err := w.bus.RequestName(name, dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("RequestName = %v, %v", reply, err)
	}
	return w
}

// RegisterStatusNotifierItem is a method of the watcher on the bus.
func (w *watcher) RegisterStatusNotifierItem(_ string, sender dbus.Sender) *dbus.Error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.items = append(w.items, sender)
	return nil
}

// item waits until an icon registers, and returns what a panel knows of it.
func (w *watcher) item(t *testing.T) *item {
	t.Helper()
	var sender dbus.Sender
	eventually(t, "an item registers", func() bool {
		w.mutex.Lock()
		defer w.mutex.Unlock()
		if len(w.items) > 0 {
			sender = w.items[0]
		}
		return sender != ""
	})
	i := &item{bus: w.bus, name: string(sender)}
	if id := i.property(t, "Id").Value(); id != "Fairlead" {
		t.Errorf("the item's Id is %v", id)
	}
	i.menu = i.property(t, "Menu").Value().(dbus.ObjectPath)
	return i
}

// item is a tray icon as the panel knows it.
type item struct {
	bus  *dbus.Conn
	name string
	menu dbus.ObjectPath
}

func (i *item) property(t *testing.T, name string) dbus.Variant {
	t.Helper()
	value, err := i.bus.Object(i.name, "/StatusNotifierItem").GetProperty("org.kde.StatusNotifierItem." + name)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func (i *item) layout(t *testing.T) layout {
	t.Helper()
	var revision uint32
	var root layout
	call := i.bus.Object(i.name, i.menu).Call("com.canonical.dbusmenu.GetLayout", 0, int32(0), int32(-1), []string{})
	if err := call.Store(&revision, &root); err != nil {
		t.Fatal(err)
	}
	return root
}

// lines returns the titles of the visible entries, in order, with marks for those that are checked, disabled or
// separators.
func (i *item) lines(t *testing.T) []string {
	t.Helper()
	var lines []string
	i.layout(t).walk(t, func(l layout) bool {
		label, _ := l.Properties["label"].Value().(string)
		if visible, ok := l.Properties["visible"].Value().(bool); ok && !visible {
			return false
		}
		switch {
		case l.Properties["type"].Value() == "separator":
			label = "--"
		case l.Properties["toggle-state"].Value() == int32(1):
			label = "[x] " + label
		case l.Properties["enabled"].Value() == false:
			label = ". " + label
		}
		lines = append(lines, label)
		return true
	})
	return lines
}

func (l layout) walk(t *testing.T, visit func(layout) bool) {
	t.Helper()
	for _, value := range l.Children {
		var child layout
		if err := dbus.Store([]any{value.Value()}, &child); err != nil {
			t.Fatal(err)
		}
		if visit(child) {
			child.walk(t, visit)
		}
	}
}

// number returns the number of the first item with one of these labels, whether or not it can be clicked.
func (i *item) number(t *testing.T, labels ...string) int32 {
	t.Helper()
	number := int32(-1)
	i.layout(t).walk(t, func(l layout) bool {
		label, _ := l.Properties["label"].Value().(string)
		if number < 0 && slices.ContainsFunc(labels, func(wanted string) bool { return strings.TrimPrefix(wanted, ". ") == label }) {
			number = l.Number
		}
		return true
	})
	if number < 0 {
		t.Fatalf("no item %q in %q", labels, i.lines(t))
	}
	return number
}

func (i *item) click(t *testing.T, label string) {
	t.Helper()
	i.event(t, i.number(t, label))
}

func (i *item) event(t *testing.T, number int32) {
	t.Helper()
	i.tell(t, number, "clicked")
}

// tell sends an event of an entry, as panels do.
func (i *item) tell(t *testing.T, number int32, event string) {
	t.Helper()
	call := i.bus.Object(i.name, i.menu).Call("com.canonical.dbusmenu.Event", 0, number, event, dbus.MakeVariant(int32(0)), uint32(0))
	if call.Err != nil {
		t.Fatal(call.Err)
	}
}

func (i *item) waitFor(t *testing.T, line string) {
	t.Helper()
	eventually(t, "the menu shows "+line, func() bool { return slices.Contains(i.lines(t), line) })
}

// program is the tray in a process of its own, with its own environment.
type program struct {
	cmd    *exec.Cmd
	stdin  io.Writer
	mutex  sync.Mutex
	output string
	ended  chan struct{}
}

// startProgram runs this test binary as a tray, with no variables of the desktop in its environment but env.
func startProgram(t *testing.T, env ...string) *program {
	t.Helper()
	p := &program{ended: make(chan struct{})}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	p.cmd = exec.CommandContext(ctx, os.Args[0])
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.Env = append([]string{asTray + "=1", "HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + t.TempDir()}, env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(p.ended); _ = p.cmd.Wait() }()
	t.Cleanup(func() { cancel(); <-p.ended })
	return p
}

// Write receives the program's output.
func (p *program) Write(text []byte) (int, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.output += string(text)
	return len(text), nil
}

// control makes the program change its model.
func (p *program) control(t *testing.T, line string) {
	t.Helper()
	if _, err := fmt.Fprintln(p.stdin, line); err != nil {
		t.Fatal(err)
	}
}

func (p *program) printed() string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.output
}

func (p *program) waitFor(t *testing.T, text string) {
	t.Helper()
	eventually(t, "the program prints "+text, func() bool { return strings.Contains(p.printed(), text) })
}

// end waits for the program and returns its exit status.
func (p *program) end(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(30 * time.Second):
		t.Fatal("the program does not end")
		return 0
	}
}
