//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"fairlead/build/desktoptest"
	"fairlead/build/testport"
)

// loadServices opens the Services of a context that is on, which loads them, and closes the menu.
func (d *onDesktop) loadServices(t *testing.T, name string) {
	t.Helper()
	d.icon.Point(t, d.in(t, name, "Services", "Loading… Open this menu again in a moment.")...)
	d.CloseMenu(t)
}

// waitChecked waits until the first entry with a label is checked or not, and returns the path to it.
func (d *onDesktop) waitChecked(t *testing.T, label string, checked bool) []string {
	t.Helper()
	var path []string
	d.icon.WaitFor(t, fmt.Sprintf("%q to be checked: %t", label, checked), func(menu desktoptest.Node) bool {
		var n desktoptest.Node
		var ok bool
		path, n, ok = rowPath(menu, label)
		return ok && n.Checkable && n.Checked == checked
	})
	return path
}

// redis asks the server at a local port whether it is there.
func (d *onDesktop) redis(t *testing.T, port int) string {
	t.Helper()
	said, err := d.Output(t, "redis-cli", "-h", "localhost", "-p", strconv.Itoa(port), "ping")
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(said)
}

// freePair returns a port that is free, as is the next one.
func freePair(t *testing.T) int {
	t.Helper()
	for {
		first, second := testport.Free(t), testport.Free(t)
		if second == first+1 {
			return first
		}
	}
}

// forwardByClicks has a Service at a local port by a click, and not again by another one. Where the Service's number is
// taken, the click says so, and the next number is for a further click.
func forwardByClicks(t *testing.T, o desktoptest.Options) {
	o.Notifications = desktoptest.Recorder
	d := newDesktop(t, o, "demo")
	number := freePair(t)
	rolledDoors(t, "cache", startRedis(t), number)
	d.start(t, noCurrent, "demo")
	d.icon.WaitShown(t)
	d.icon.ClickWithMouse(t, d.startOf(t, "demo")...)
	d.waitOn(t, "demo")
	d.loadServices(t, "demo")

	title := func(local int) string {
		return fmt.Sprintf("Forward localhost:%d → cache.default.svc:%d", local, number)
	}
	d.icon.ClickWithMouse(t, d.waitChecked(t, title(number), false)...)
	on := d.waitChecked(t, title(number), true)
	if said := d.redis(t, number); said != "PONG" {
		t.Errorf("at the local port the server says %q", said)
	}
	d.waitChecked(t, fmt.Sprintf("localhost:%d → cache.default.svc:%d", number, number), true)
	d.icon.ClickWithMouse(t, on...)
	d.waitChecked(t, title(number), false)
	if said := d.redis(t, number); !strings.Contains(said, "refused") {
		t.Errorf("at a local port that was clicked off the server says %q", said)
	}

	taken, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(number)))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	d.icon.ClickWithMouse(t, d.waitChecked(t, title(number), false)...)
	n := d.WaitNotification(t, "of the taken port", func(n desktoptest.Notification) bool { return n.Summary == "Not forwarded" })
	if !strings.Contains(n.Body, "app.test") || !strings.Contains(n.Body, "choose another local port") {
		t.Errorf("the notification says %q", n.Body)
	}
	next := d.waitChecked(t, title(number+1), false)
	if list := d.command(t, "forwards", "-o", "name"); list != "" {
		t.Errorf("without a further click there is %s", list)
	}
	d.icon.ClickWithMouse(t, next...)
	d.waitChecked(t, title(number+1), true)
	if said := d.redis(t, number+1); said != "PONG" {
		t.Errorf("at the next local port the server says %q", said)
	}
	if list := d.command(t, "forwards", "-o", "name"); list != fmt.Sprintf("127.0.0.1:%d\n", number+1) {
		t.Errorf("the list is %q", list)
	}
}

func TestAServiceIsForwardedByAClick(t *testing.T) {
	forwardByClicks(t, desktoptest.Options{Panel: true})
}

// refuseOutsideByClicks refuses hosts outside by a click, which holds after a restart, and lets them through again by
// another one.
func refuseOutsideByClicks(t *testing.T, o desktoptest.Options) {
	o.Notifications = desktoptest.Recorder
	d := newDesktop(t, o, "demo")
	internet := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "outside: "+r.URL.Host) }))
	t.Cleanup(internet.Close)
	d.Setenv("http_proxy", internet.URL)
	d.Setenv("no_proxy", "")
	d.configure(t, "defaults: {forward-unresolved: true}\n")
	d.start(t, noCurrent, "demo")
	d.icon.WaitShown(t)
	d.icon.ClickWithMouse(t, d.startOf(t, "demo")...)
	address := d.waitOn(t, "demo")
	fetch := func(want string) {
		t.Helper()
		if page, err := d.curl(t, "http://"+address, "http://example.com/"); !strings.Contains(page, want) {
			t.Errorf("a host outside answers %q, %v, want %q", page, err, want)
		}
	}
	fetch("outside: example.com")
	const direct, refused = "Outside the cluster: direct", "Outside the cluster: refused"
	d.icon.ClickWithMouse(t, d.in(t, "demo", direct, "Refuse")...)
	d.icon.WaitAt(t, d.in(t, "demo", refused, "Refuse")...)
	d.waitChecked(t, "Refuse", true)
	d.waitChecked(t, "Connect directly", false)
	fetch("this context refuses hosts outside its cluster")
	page, err := d.curl(t, "http://"+address, hello)
	fromHello(t, "curl", page, err)

	d.icon.ClickWithMouse(t, "Quit")
	d.program.Wait(t)
	d.icon.WaitGone(t)
	d.start(t, noCurrent, "demo")
	d.icon.WaitShown(t)
	address = d.waitOn(t, "demo")
	d.icon.WaitAt(t, d.in(t, "demo", refused, "Refuse")...)
	fetch("this context refuses hosts outside its cluster")
	d.icon.ClickWithMouse(t, d.in(t, "demo", refused, "Connect directly")...)
	d.icon.WaitAt(t, d.in(t, "demo", direct, "Connect directly")...)
	d.waitChecked(t, "Connect directly", true)
	fetch("outside: example.com")
}

func TestHostsOutsideAreRefusedByAClick(t *testing.T) {
	refuseOutsideByClicks(t, desktoptest.Options{Panel: true})
}
