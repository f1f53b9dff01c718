//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/build/desktoptest"
	"fairlead/build/testport"
)

// command runs a Fairlead command on the desktop, which must succeed.
func (d *onDesktop) command(t *testing.T, args ...string) string {
	t.Helper()
	text, err := d.Output(t, built, args...)
	if err != nil {
		t.Fatalf("fairlead %s: %v\n%s", strings.Join(args, " "), err, text)
	}
	return text
}

// commandOn turns a context on by a command, and returns the URL that it prints.
func (d *onDesktop) commandOn(t *testing.T, name string) (url string) {
	t.Helper()
	text := strings.TrimSpace(d.command(t, "on", name))
	return text[strings.LastIndex(text, "socks5h://"):]
}

// waitListening waits until a proxy accepts connections.
func (d *onDesktop) waitListening(t *testing.T, url string) {
	t.Helper()
	d.icon.WaitFor(t, url+" to listen", func(desktoptest.Node) bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "socks5h://"))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// waitTitle waits for a notification with a title.
func (d *onDesktop) waitTitle(t *testing.T, title string) desktoptest.Notification {
	t.Helper()
	return d.WaitNotification(t, title, func(n desktoptest.Notification) bool { return n.Summary == title })
}

// cards returns how many notifications there are, however often each was replaced, without those with these titles.
func (d *onDesktop) cards(t *testing.T, without ...string) int {
	t.Helper()
	ids := map[uint32]bool{}
	for _, n := range d.Notifications(t) {
		if !slices.Contains(without, n.Summary) {
			ids[n.ID] = true
		}
	}
	return len(ids)
}

// stay fails the test if there are more notifications than most, now or in the next seconds.
func (d *onDesktop) stay(t *testing.T, most int, without ...string) {
	t.Helper()
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		if n := d.cards(t, without...); n > most {
			t.Fatalf("%d notifications, want %d: %+v", n, most, d.Notifications(t))
		}
	}
}

func TestAContextThatIsOnSaysSoAndOffersItsURL(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Notifications: desktoptest.Recorder}, "demo")
	d.start(t, noCurrent)
	url := d.commandOn(t, "demo")
	on := d.waitTitle(t, "demo: on")
	if on.Body != url || on.Actions != "Copy URL" || !on.HasIcon {
		t.Errorf("%+v, want the URL %s", on, url)
	}
	d.ChooseAction(t, on, "Copy URL")
	d.waitCopied(t, url)
	if copied := d.waitTitle(t, "Copied the socks5h URL of demo"); copied.Body != url {
		t.Errorf("%+v", copied)
	}
	d.icon.Click(t, "Quit")
	d.program.Wait(t)
	d.RestartRecorder(t)
	d.start(t, noCurrent)
	d.waitListening(t, url)
	_, _ = d.curl(t, url, "http://no-such-service/") // its cluster has answered now
	d.waitTitle(t, "demo: no such Service")
	for _, n := range d.Notifications(t) {
		if n.Summary == "demo: on" {
			t.Error("a context that was only restored says that it is on")
		}
	}
}

func TestTenBadNamesAreOneNotificationThatCounts(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Notifications: desktoptest.Recorder}, "demo")
	d.start(t, noCurrent)
	url := d.commandOn(t, "demo")
	d.waitTitle(t, "demo: on")
	var asked sync.WaitGroup
	for i := range 10 {
		asked.Go(func() {
			if page, err := d.curl(t, url, fmt.Sprintf("http://bad-%d/", i)); err == nil {
				t.Errorf("a bad name answered %q", page)
			}
		})
	}
	asked.Wait()
	n := d.waitTitle(t, "demo: 10 connections failed")
	if !strings.Contains(n.Body, " – no such Service") || !strings.Contains(n.Body, "and 7 more") {
		t.Errorf("%+v", n)
	}
	if cards := d.cards(t, "demo: on"); cards != 1 {
		t.Errorf("%d notifications: %+v", cards, d.Notifications(t))
	}
}

// displayed returns how many notifications Dunst shows.
func (d *onDesktop) displayed(t *testing.T) int {
	t.Helper()
	text, err := d.Output(t, "dunstctl", "count", "displayed")
	n, parseErr := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || parseErr != nil {
		t.Fatalf("dunstctl: %v: %q", err, text)
	}
	return n
}

// A real daemon replaces the notification in place. A kind that the settings turn off is not shown.
func TestDunstShowsOneNotificationOfManyFailures(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Notifications: desktoptest.Dunst}, "demo")
	d.configure(t, "notifications: {starts: false}\n")
	d.start(t, noCurrent)
	url := d.commandOn(t, "demo")
	for i := range 10 {
		if page, err := d.curl(t, url, fmt.Sprintf("http://bad-%d/", i)); err == nil {
			t.Errorf("a bad name answered %q", page)
		}
		if n := d.displayed(t); n > 1 {
			t.Fatalf("%d notifications are on the screen", n)
		}
	}
	for until := time.Now().Add(3 * time.Second); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		if n := d.displayed(t); n > 1 {
			t.Fatalf("%d notifications are on the screen", n)
		}
	}
	n := d.waitTitle(t, "demo: 10 connections failed")
	if !strings.Contains(n.Body, "bad-9:80 – no such Service") {
		t.Errorf("%+v", n)
	}
	for _, n := range d.Notifications(t) {
		if n.Summary == "demo: on" {
			t.Error("a kind that is off was shown")
		}
	}
}

// awayKubeconfig writes a kubeconfig with contexts whose API servers do not listen.
func awayKubeconfig(t *testing.T, d *onDesktop, names ...string) string {
	t.Helper()
	entries := map[string]entry{}
	for _, name := range names {
		entries[name] = entry{cluster: map[string]any{"server": fmt.Sprintf("https://127.0.0.1:%d", testport.Free(t))}, user: map[string]any{"token": "none"}}
	}
	path := filepath.Join(d.Home(), "kubeconfig")
	writeJSON(t, path, kubeconfigOf(entries))
	return path
}

func TestAnAPIServerThatIsAwayIsOneNotification(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Notifications: desktoptest.Recorder}, "away")
	d.start(t, awayKubeconfig(t, d, "away"))
	// Restored, so that the connection is the first to find out.
	url := d.commandOn(t, "away")
	d.waitTitle(t, "away: API server not reachable")
	d.icon.Click(t, "Quit")
	d.program.Wait(t)
	d.RestartRecorder(t)
	d.start(t, filepath.Join(d.Home(), "kubeconfig"))
	d.waitListening(t, url)
	for range 3 {
		if page, err := d.curl(t, url, "http://hello/"); err == nil {
			t.Fatalf("it answered %q", page)
		}
	}
	n := d.waitTitle(t, "away: API server not reachable")
	if strings.Contains(n.Body, "away") || !strings.Contains(n.Body, "127.0.0.1:") {
		t.Errorf("%+v", n)
	}
	d.stay(t, 1)
}

func TestContextsInTroubleForOneCauseAreOneNotification(t *testing.T) {
	names := []string{"east", "north", "south", "west"}
	d := newDesktop(t, desktoptest.Options{Notifications: desktoptest.Recorder}, names...)
	d.start(t, awayKubeconfig(t, d, names...))
	d.command(t, append([]string{"on"}, names...)...)
	n := d.waitTitle(t, "4 contexts: API servers not reachable")
	for _, name := range names {
		if !strings.Contains(n.Body, name) {
			t.Errorf("%s is not in %q", name, n.Body)
		}
	}
	if n.Actions != "Try again, Open log" || !strings.Contains(n.Body, "The clusters may be stopped") {
		t.Errorf("%+v", n)
	}
	d.stay(t, 1)
}

// cloudPlugin is a credential plugin that has nothing before "aws configure", and says so.
const cloudPlugin = `#!/bin/sh
test "$1" = configure && exec touch "$HOME/configured"
test -e "$HOME/configured" && exec cat "$HOME/credentials"
echo 'Unable to locate credentials. You can configure credentials by running "aws configure".' >&2
exit 255
`

// cloud starts Fairlead with a context that logs in by cloudPlugin, and a terminal that shows nothing. It returns the
// kubeconfig.
func (d *onDesktop) cloud(t *testing.T) string {
	t.Helper()
	cloud := d.cloudEntry(t)
	path := filepath.Join(d.Home(), "kubeconfig")
	writeJSON(t, path, kubeconfigOf(map[string]entry{"cloud": cloud}))
	d.start(t, path)
	return path
}

// cloudEntry installs cloudPlugin, and a terminal that shows nothing, and returns a context that logs in by it.
func (d *onDesktop) cloudEntry(t *testing.T) entry {
	t.Helper()
	bin := filepath.Join(d.Home(), "bin")
	admin := entryOf(t, cluster.KubeconfigToken, "demo-token")
	for name, content := range map[string]string{
		"bin/aws":               cloudPlugin,
		"bin/xdg-terminal-exec": "#!/bin/sh\necho \"$@\" >> \"$HOME/terminal\"\nexec \"$@\" < /dev/null\n",
		"credentials": fmt.Sprintf(`{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":%q}}`,
			admin.user["token"]),
	} {
		path := filepath.Join(d.Home(), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	d.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	d.configure(t, "login-shell: false\n")
	return admin.with(nil, map[string]any{"exec": map[string]any{
		"apiVersion": "client.authentication.k8s.io/v1", "command": "aws", "args": []string{"eks", "get-token"}, "interactiveMode": "Never",
	}})
}

// A plugin's own advice is what is offered everywhere, and what is copied or run is what is shown.
func TestAPluginsOwnAdviceIsOffered(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Notifications: desktoptest.Recorder}, "cloud")
	path := d.cloud(t)
	d.command(t, "on", "cloud")
	n := d.waitTitle(t, "cloud: login plugin failed")
	if n.Actions != "Log in…, Copy login command, Try again" || !strings.Contains(n.Body, "“aws configure”") || strings.Contains(n.Body, "aws sso login") {
		t.Errorf("%+v", n)
	}
	d.ChooseAction(t, n, "Copy login command")
	d.waitCopied(t, "aws configure")
	d.waitTitle(t, "Copied the login command of cloud")
	for _, args := range [][]string{{"list", "--kubeconfig", path, "-o", "wide"}, {"status"}} {
		if text := d.command(t, args...); !strings.Contains(text, "aws configure") {
			t.Errorf("fairlead %s:\n%s", args[0], text)
		}
	}
	for _, args := range [][]string{{"login", "cloud"}, {"doctor", "--kubeconfig", path, "cloud"}} {
		if text, err := d.Output(t, built, args...); err == nil || !strings.Contains(text+err.Error(), "aws configure") {
			t.Errorf("fairlead %s: %v\n%s", args[0], err, text)
		}
	}
	if _, err := os.Stat(filepath.Join(d.Home(), "terminal")); err == nil {
		t.Error("a terminal was opened without a click")
	}
	d.ChooseAction(t, n, "Log in…")
	d.waitTitle(t, "cloud: logged in")
}
