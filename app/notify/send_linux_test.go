package notify_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fairlead/app/explain"
	"fairlead/app/notify"
)

const service = "org.freedesktop.Notifications"

// A bus is a private dbus-daemon that starts no services.
type bus struct {
	t       *testing.T
	dir     string
	address string
	cmd     *exec.Cmd
}

func startBus(t *testing.T) *bus {
	t.Helper()
	dir, err := os.MkdirTemp("", "bus") // short: a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b := &bus{t: t, dir: dir}
	b.start()
	t.Cleanup(b.stop)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", b.address)
	return b
}

func (b *bus) start() {
	b.t.Helper()
	path, err := exec.LookPath("dbus-daemon")
	if err != nil {
		b.t.Fatal("dbus-daemon is missing: apt-get install -y dbus")
	}
	config := filepath.Join(b.dir, "bus.conf")
	err = os.WriteFile(config, fmt.Appendf(nil, `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`, b.dir), 0o600)
	if err != nil {
		b.t.Fatal(err)
	}
	b.cmd = exec.Command(path, "--nofork", "--nopidfile", "--print-address=1", "--config-file="+config)
	b.cmd.Stderr = b.t.Output()
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it must not outlive a killed test
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.t.Fatalf("dbus-daemon: %v", err)
	}
	b.address = strings.TrimSpace(line)
}

func (b *bus) stop() {
	b.cmd.Process.Kill()
	b.cmd.Wait()
}

// A call is one call of Notify as the service received it.
type call struct {
	App, Icon, Title, Body string
	Replaces               uint32
	Actions                []string
	Hints                  map[string]dbus.Variant
}

// A daemon is a notification service.
type daemon struct {
	conn  *dbus.Conn
	calls chan call
	hang  chan struct{} // if not nil, responses wait until it is closed
	can   []string

	mu   sync.Mutex
	last uint32
}

func (b *bus) serve(d *daemon) *daemon {
	b.t.Helper()
	guard := time.AfterFunc(within, b.stop)
	defer guard.Stop()
	conn, err := dbus.Connect(b.address)
	if err != nil {
		b.t.Fatal(err)
	}
	d.conn, d.calls = conn, make(chan call, 100)
	b.t.Cleanup(func() { conn.Close() })
	if err := conn.Export(d, "/org/freedesktop/Notifications", service); err != nil {
		b.t.Fatal(err)
	}
	if reply, err := conn.RequestName(service, dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		b.t.Fatalf("own %s: %v, %v", service, reply, err)
	}
	return d
}

func (d *daemon) Notify(app string, replaces uint32, icon, title, body string, actions []string, hints map[string]dbus.Variant, _ int32) (uint32, *dbus.Error) {
	d.calls <- call{App: app, Icon: icon, Title: title, Body: body, Replaces: replaces, Actions: actions, Hints: hints}
	if d.hang != nil {
		<-d.hang
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if replaces == 0 {
		d.last++
		replaces = d.last
	}
	return replaces, nil
}

func (d *daemon) GetCapabilities() ([]string, *dbus.Error) { return d.can, nil }

func (d *daemon) next(t *testing.T) call {
	t.Helper()
	select {
	case c := <-d.calls:
		return c
	case <-time.After(within):
		t.Fatal("no notification came")
		return call{}
	}
}

// run starts n, stops it at the test's end, and checks that it left no goroutines.
func run(t *testing.T, n *notify.Notifier) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// noLeaks checks, after everything else of the test has ended, that there are no goroutines that were not there at its
// beginning.
func noLeaks(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

func TestANotificationSaysWhatWhereAndWhy(t *testing.T) {
	noLeaks(t)
	d := startBus(t).serve(&daemon{can: []string{"body", "body-markup"}})
	n := notify.New(notify.Config{Icon: func(name string) []byte {
		if name != "attention" {
			t.Errorf("requested the picture %q", name)
		}
		return icon(t)
	}})
	run(t, n)
	e := refused
	e.Sentence = `Nothing <b>listens</b> & "waits".`
	n.Failure("<a href='x'>prod</a>", "web:81", e, false)
	got := d.next(t)
	want := "web:81\nNothing &lt;b&gt;listens&lt;/b&gt; &amp; \"waits\".\nTry another port."
	if got.App != "Fairlead" || got.Title != "<a href='x'>prod</a>: connection refused" || got.Body != want || got.Replaces != 0 {
		t.Errorf("%+v, want the body %q", got, want)
	}
	var picture struct {
		Width, Height, Stride int32
		Alpha                 bool
		Bits, Channels        int32
		Pixels                []byte
	}
	if err := got.Hints["image-data"].Store(&picture); err != nil {
		t.Fatal(err)
	}
	if picture.Width != 2 || picture.Height != 1 || !picture.Alpha || !bytes.Equal(picture.Pixels, []byte{200, 100, 50, 128, 0, 0, 255, 255}) {
		t.Errorf("%+v", picture)
	}
}

// icon returns two pixels, one of them half transparent.
func icon(t *testing.T) []byte {
	picture := image.NewNRGBA(image.Rect(0, 0, 2, 1))
	picture.SetNRGBA(0, 0, color.NRGBA{200, 100, 50, 128})
	picture.SetNRGBA(1, 0, color.NRGBA{0, 0, 255, 255})
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWhatIsChosenOnANotificationIsDone(t *testing.T) {
	noLeaks(t)
	b := startBus(t)
	d := b.serve(&daemon{can: []string{"actions", "body"}})
	chosen := make(chan notify.Choice, 10)
	n := notify.New(notify.Config{Chosen: func(c notify.Choice) { chosen <- c }})
	run(t, n)
	n.Report(notify.Trouble{Context: "a <b>", Kind: notify.Logins, Command: "tsh login a",
		Said: explain.Explanation{Title: "Login needed", Sentence: "The login of context a <b> has expired."}})
	got := d.next(t)
	if strings.Join(got.Actions, ", ") != "copy-login, Copy login command, retry, Try again" || got.Title != "a <b>: login needed" || got.Body != "The login of this context has expired.\nTo log in: tsh login a" {
		t.Errorf("%+v", got)
	}
	invoke := func(from *dbus.Conn, id uint32, action string) {
		if err := from.Emit("/org/freedesktop/Notifications", service+".ActionInvoked", id, action); err != nil {
			t.Fatal(err)
		}
	}
	other, err := dbus.Connect(b.address)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	invoke(other, 1, "retry") // from a program that is no notification service
	if err := other.BusObject().Call("org.freedesktop.DBus.GetId", 0).Err; err != nil {
		t.Fatal(err) // when the bus responds, it has delivered the signal
	}
	invoke(d.conn, 77, "retry")      // of another program
	invoke(d.conn, 1, "no such one") // never offered
	invoke(d.conn, 1, "copy-login")
	select {
	case c := <-chosen:
		if want := (notify.Choice{Action: notify.CopyLogin, Contexts: []string{"a <b>"}, Text: "tsh login a"}); !reflect.DeepEqual(c, want) {
			t.Errorf("%+v, want %+v", c, want)
		}
	case <-time.After(within):
		t.Fatal("nothing came of the choice")
	}
	n.Failure("b", "web:81", refused, false)
	if got := d.next(t); strings.Join(got.Actions, ", ") != "copy-details, Copy details, open-log, Open log" {
		t.Errorf("%+v", got)
	}
}

func TestANotificationTakesThePlaceOfItsOwnOnly(t *testing.T) {
	noLeaks(t)
	b := startBus(t)
	d := b.serve(&daemon{})
	n := notify.New(notify.Config{Icon: func(string) []byte { return []byte("no picture") }})
	run(t, n)
	say := func(title string, want uint32) {
		t.Helper()
		n.Say(title, "text")
		if got := d.next(t); got.Replaces != want || got.Title != title {
			t.Errorf("%q replaces %d, want %d", got.Title, got.Replaces, want)
		}
	}
	say("one", 0)
	say("two", 0)
	say("one", 1)
	say("two", 2)

	// Another service takes over. It knows none of these ids, and uses them for others.
	if _, err := d.conn.ReleaseName(service); err != nil {
		t.Fatal(err)
	}
	d = b.serve(&daemon{last: 7})
	say("two", 0)
	say("two", 8)
}

func TestNotificationsComeBackWithTheBus(t *testing.T) {
	noLeaks(t)
	b := startBus(t)
	d := b.serve(&daemon{})
	log := &lines{}
	n := notify.New(notify.Config{Log: zerolog.New(log)})
	run(t, n)
	n.Say("one", "text")
	d.next(t)

	b.stop()
	n.Say("lost", "text")
	log.wait(t, 1)
	n.Say("lost too", "text")

	b.start()
	d = b.serve(&daemon{})
	deadline := time.Now().Add(within)
	for title := ""; title != "back"; { // notifications queued after a lost one may still be shown
		if time.Now().After(deadline) {
			t.Fatal("no notification after the bus came back")
		}
		n.Say("back", "text")
		title = d.next(t).Title
	}
	if got := log.count(); got != 1 {
		t.Errorf("the outage was logged %d times", got)
	}
}

func TestWithoutABusTheProgramGoesOn(t *testing.T) {
	noLeaks(t)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	log := &lines{}
	n := notify.New(notify.Config{Log: zerolog.New(log)})
	run(t, n)
	n.Failure("staging", "web:81", refused, false)
	log.wait(t, 1)
}

func TestWithoutAServiceTheProgramGoesOn(t *testing.T) {
	noLeaks(t)
	startBus(t)
	log := &lines{}
	n := notify.New(notify.Config{Log: zerolog.New(log)})
	run(t, n)
	n.Failure("staging", "web:81", refused, false)
	log.wait(t, 1)
	if text := log.String(); !strings.Contains(text, service) {
		t.Errorf("the log does not say what is missing: %s", text)
	}
}

func TestAServiceThatHangsDoesNotHoldUpTheEnd(t *testing.T) {
	noLeaks(t)
	b := startBus(t)
	d := &daemon{hang: make(chan struct{})}
	b.serve(d)
	defer close(d.hang)
	n := notify.New(notify.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	n.Say("one", "text")
	d.next(t)
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(within):
		t.Fatal("Run waits for a service that does not answer")
	}
}
