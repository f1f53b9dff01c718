//go:build linux

package main

import (
	"image"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fairlead/build/desktoptest"
	"fairlead/build/testport"
)

// onDesktop is a Fairlead with its icon in the panel of a separate desktop.
type onDesktop struct {
	*desktoptest.Desktop
	program *desktoptest.Program
	icon    *desktoptest.TrayItem
}

// newDesktop starts a desktop on which Fairlead has not run yet. The named contexts have ports that are free on this
// machine now, because the usual ones may be in use.
func newDesktop(t *testing.T, o desktoptest.Options, contexts ...string) *onDesktop {
	t.Helper()
	d := &onDesktop{Desktop: desktoptest.Start(t, o)}
	testport.Assign(t, d.Getenv("XDG_STATE_HOME"), contexts...)
	return d
}

// start starts Fairlead on a kubeconfig and waits for its icon and its contexts.
func (d *onDesktop) start(t *testing.T, kubeconfig string, contexts ...string) {
	t.Helper()
	d.run(t, "--kubeconfig", kubeconfig)
	d.icon = d.Tray(t, "Fairlead")
	for _, name := range contexts {
		d.row(t, name, "", func(desktoptest.Node) bool { return true })
	}
}

// configure replaces the settings file.
func (d *onDesktop) configure(t *testing.T, settings string) {
	t.Helper()
	writeFile(t, filepath.Join(d.Getenv("XDG_CONFIG_HOME"), "fairlead", "config.yaml"), settings)
}

// run starts Fairlead, which must not crash or have a data race while it runs.
func (d *onDesktop) run(t *testing.T, args ...string) *desktoptest.Program {
	t.Helper()
	d.Setenv("GORACE", "exitcode=0") // crashed decides instead
	program := d.Run(t, built, args...)
	d.program = program
	t.Cleanup(func() {
		if crashed(program.Stderr()) {
			t.Errorf("fairlead wrote:\n%s", program.Stderr())
		}
	})
	return program
}

// crashed reports whether a program's output has a panic or a data race.
func crashed(stderr string) bool {
	for _, sign := range []string{"WARNING: DATA RACE", "panic:", "fatal error:"} {
		if strings.Contains(stderr, sign) {
			return true
		}
	}
	return false
}

// state is what the row of a context that is on or failed shows after the context's title.
const state = "  –  "

// unreachable is the cause that the row of a context shows whose API server does not answer.
const unreachable = "API server not reachable"

// rowPath returns the labels that lead to the row of a context: in the menu, or in a submenu of many contexts.
func rowPath(menu desktoptest.Node, name string) (path []string, row desktoptest.Node, ok bool) {
	for _, n := range menu.Children {
		if !n.Separator && (n.Label == name || n.Label == "Start "+name || strings.HasPrefix(n.Label, name+state)) {
			return []string{n.Label}, n, true
		}
	}
	for _, n := range menu.Children {
		if inner, row, ok := rowPath(n, name); ok {
			return append([]string{n.Label}, inner...), row, true
		}
	}
	return nil, desktoptest.Node{}, false
}

// row waits until the row of a context satisfies is.
func (d *onDesktop) row(t *testing.T, name, what string, is func(desktoptest.Node) bool) desktoptest.Node {
	t.Helper()
	var row desktoptest.Node
	d.icon.WaitFor(t, "the row of "+name+" "+what, func(menu desktoptest.Node) bool {
		var found bool
		_, row, found = rowPath(menu, name)
		return found && is(row)
	})
	return row
}

// in returns the path to entries of the submenu of a context, which is waited for.
func (d *onDesktop) in(t *testing.T, name string, labels ...string) []string {
	t.Helper()
	var path []string
	d.icon.WaitFor(t, "what there is to do with "+name, func(menu desktoptest.Node) bool {
		row, node, ok := rowPath(menu, name)
		path = append(row, labels...)
		return ok && len(node.Children) > 0
	})
	return path
}

// pathTo returns the path to the first entry with a label, which is waited for.
func (d *onDesktop) pathTo(t *testing.T, label string) []string {
	t.Helper()
	var path []string
	d.icon.WaitFor(t, label, func(menu desktoptest.Node) bool {
		var ok bool
		path, _, ok = rowPath(menu, label)
		return ok
	})
	return path
}

// startOf waits until a context can be started, and returns the path to the button.
func (d *onDesktop) startOf(t *testing.T, name string) []string {
	t.Helper()
	var path []string
	d.icon.WaitFor(t, "the button that starts "+name, func(menu desktoptest.Node) bool {
		row, node, ok := rowPath(menu, name)
		path = row
		return ok && len(node.Children) == 0 && node.Enabled
	})
	return path
}

// waitOn waits until a context is on, and returns its listen address.
func (d *onDesktop) waitOn(t *testing.T, name string) string {
	t.Helper()
	var port string
	d.row(t, name, "to be on", func(n desktoptest.Node) bool {
		port = strings.TrimPrefix(n.Label, name+state+":")
		_, err := strconv.ParseUint(port, 10, 16) // nothing else, such as a cause, is in its place
		return err == nil
	})
	return "127.0.0.1:" + port
}

// waitTrouble waits until the row of a context shows this cause of its trouble.
func (d *onDesktop) waitTrouble(t *testing.T, name, cause string) {
	t.Helper()
	d.row(t, name, "to show "+cause, func(n desktoptest.Node) bool { return n.Label == name+state+cause })
}

// waitOff waits until a context is off.
func (d *onDesktop) waitOff(t *testing.T, name string) {
	t.Helper()
	d.row(t, name, "to be off", func(n desktoptest.Node) bool { return !strings.Contains(n.Label, state) })
}

// waitClosed waits until a context is off, and checks that nothing listens where it did.
func (d *onDesktop) waitClosed(t *testing.T, name, address string) {
	t.Helper()
	d.waitOff(t, name)
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Errorf("%s is off and %s still answers", name, address)
	}
}

// waitCopied waits until a text is on the clipboard.
func (d *onDesktop) waitCopied(t *testing.T, text string) string {
	t.Helper()
	var now string
	d.icon.WaitFor(t, "the clipboard to have "+text, func(desktoptest.Node) bool {
		now = d.Clipboard(t)
		return now == text
	})
	return now
}

// curl fetches a page through a proxy with curl.
func (d *onDesktop) curl(t *testing.T, proxy, url string) (string, error) {
	t.Helper()
	return d.Output(t, "curl", "--silent", "--show-error", "--max-time", "50", "--proxy", proxy, url)
}

// chromium fetches a page through a proxy with the browser, and returns it as the browser has it.
func (d *onDesktop) chromium(t *testing.T, proxy, url string) (string, error) {
	t.Helper()
	return d.Output(t, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--user-data-dir="+filepath.Join(d.Home(), "chromium"), "--proxy-server="+proxy, "--dump-dom", url)
}

const hello = "http://hello.default.svc.cluster.local/"

// fromHello fails the test unless a page comes from the Pod of hello.
func fromHello(t *testing.T, with, page string, err error) {
	t.Helper()
	if err != nil || !strings.Contains(page, "default/hello-") {
		t.Errorf("%s got %q, %v", with, page, err)
	}
}

func TestClickedContextCarriesCurlAndChromium(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Panel: true, Notifications: desktoptest.Recorder}, "demo", "demo-team")
	d.start(t, noCurrent, "demo", "demo-team")
	d.icon.WaitShown(t)
	d.icon.Click(t, d.startOf(t, "demo")...)
	address := d.waitOn(t, "demo")

	d.icon.Click(t, d.in(t, "demo", "Copy socks5h://"+address)...)
	url := d.waitCopied(t, "socks5h://"+address)
	page, err := d.curl(t, url, hello)
	fromHello(t, "curl", page, err)
	// Chromium leaves names to a SOCKS5 proxy, but does not know the scheme socks5h.
	page, err = d.chromium(t, strings.Replace(url, "socks5h:", "socks5:", 1), hello)
	fromHello(t, "chromium", page, err)

	d.icon.Click(t, d.in(t, "demo", "More to copy", "Copy http://"+address)...)
	url = d.waitCopied(t, "http://"+address)
	page, err = d.curl(t, url, hello)
	fromHello(t, "curl over HTTP", page, err)

	d.icon.Click(t, d.in(t, "demo", "Stop")...)
	d.waitClosed(t, "demo", address)
	d.icon.Click(t, "Quit")
	if code := d.program.Wait(t); code != 0 {
		t.Errorf("fairlead ended with %d", code)
	}
	d.icon.WaitGone(t)
}

func TestMouseAloneIsEnough(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Panel: true, Notifications: desktoptest.Recorder}, "demo", "demo-team")
	d.start(t, noCurrent, "demo", "demo-team")
	d.icon.WaitShown(t)

	d.icon.ClickWithMouse(t, d.startOf(t, "demo")...)
	address := d.waitOn(t, "demo")
	d.icon.ClickWithMouse(t, d.in(t, "demo", "Copy socks5h://"+address)...)
	page, err := d.curl(t, d.waitCopied(t, "socks5h://"+address), hello)
	fromHello(t, "curl", page, err)

	d.icon.ClickWithMouse(t, d.startOf(t, "demo-team")...)
	team := d.waitOn(t, "demo-team")
	d.icon.ClickWithMouse(t, d.in(t, "demo", "Stop")...)
	d.waitClosed(t, "demo", address)
	page, err = d.curl(t, "socks5h://"+team, "http://app/")
	if err != nil || !strings.Contains(page, "team/app-") {
		t.Errorf("a short name in the other context: %q, %v", page, err)
	}
	d.icon.ClickWithMouse(t, "Quit")
	if code := d.program.Wait(t); code != 0 {
		t.Errorf("fairlead ended with %d", code)
	}
}

// middleClick clicks the icon with the middle button until a notification with a title is there. A click before the panel has
// drawn the icon, or before Fairlead has read its settings, does nothing.
func (d *onDesktop) middleClick(t *testing.T, icon func() image.Point, title string) {
	t.Helper()
	var clicked time.Time
	d.icon.WaitFor(t, title, func(desktoptest.Node) bool {
		if time.Since(clicked) > 2*time.Second {
			at := icon()
			d.MiddleClick(t, at.X, at.Y)
			clicked = time.Now()
		}
		return slices.ContainsFunc(d.Notifications(t), func(n desktoptest.Notification) bool { return n.Summary == title })
	})
}

func TestAMiddleClickCopiesTheURLIfTheSettingsSaySo(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Panel: true, Notifications: desktoptest.Recorder}, "demo", "demo-team")
	d.configure(t, "login-shell: false\n")
	d.start(t, noCurrent, "demo", "demo-team")
	d.icon.WaitShown(t)
	d.configure(t, "login-shell: false\nmiddle-click: copy-url\n")
	d.middleClick(t, d.IconAt, "Not copied")

	d.icon.Click(t, d.startOf(t, "demo")...)
	address := d.waitOn(t, "demo")
	d.middleClick(t, d.IconAt, "Copied the socks5h URL of demo")
	page, err := d.curl(t, d.waitCopied(t, "socks5h://"+address), hello)
	fromHello(t, "curl", page, err)

	d.icon.Click(t, d.startOf(t, "demo-team")...)
	team := d.waitOn(t, "demo-team")
	d.middleClick(t, d.IconAt, "Copied the socks5h URL of demo-team")
	d.waitCopied(t, "socks5h://"+team)
	if menus := d.Menus(t); len(menus) > 0 {
		t.Errorf("the menu is open: %v", menus)
	}
	d.icon.ClickWithMouse(t, "Quit") // the first button opens the menu
	if code := d.program.Wait(t); code != 0 {
		t.Errorf("fairlead ended with %d", code)
	}
}

func TestWhatWasOnIsOnAgain(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Panel: true}, "demo", "demo-team")
	d.start(t, noCurrent, "demo", "demo-team")
	d.icon.Click(t, d.startOf(t, "demo-team")...)
	address := d.waitOn(t, "demo-team")
	d.icon.Click(t, "Quit")
	d.program.Wait(t)
	d.icon.WaitGone(t)
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Errorf("fairlead has ended and %s still answers", address)
	}

	d.start(t, noCurrent, "demo", "demo-team")
	if again := d.waitOn(t, "demo-team"); again != address {
		t.Errorf("it listens on %s, and did on %s", again, address)
	}
	if page, err := d.curl(t, "socks5h://"+address, "http://app/"); err != nil || !strings.Contains(page, "team/app-") {
		t.Errorf("curl got %q, %v", page, err)
	}
	d.waitOff(t, "demo")
}
