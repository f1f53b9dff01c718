//go:build linux

package main

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/build/desktoptest"
)

func TestDialToClosedPodPortIsNotified(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Panel: true, Notifications: desktoptest.Dunst}, "demo")
	d.start(t, noCurrent, "demo")
	d.icon.Click(t, d.startOf(t, "demo")...)
	address := d.waitOn(t, "demo")
	if page, err := d.curl(t, "socks5h://"+address, "http://refused/"); err == nil {
		t.Fatalf("a closed port answered %q", page)
	}
	n := d.WaitNotification(t, "of the refused connection", func(n desktoptest.Notification) bool {
		return n.Summary == "demo: connection refused"
	})
	for _, part := range []string{"refused:80", "7008"} {
		if !strings.Contains(n.Body, part) {
			t.Errorf("%q is not in the notification: %q", part, n.Body)
		}
	}
	if n.App != "Fairlead" {
		t.Errorf("it is sent by %q", n.App)
	}
	// The failure is only that target's.
	page, err := d.curl(t, "socks5h://"+address, hello)
	fromHello(t, "curl", page, err)
}

func TestFailuresOfOneTargetAreNotifiedOnce(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Panel: true, Notifications: desktoptest.Recorder}, "demo")
	d.start(t, noCurrent, "demo")
	d.icon.Click(t, d.startOf(t, "demo")...)
	address := d.waitOn(t, "demo")
	began := time.Now()
	for range 5 {
		if page, err := d.curl(t, "http://"+address, "http://no-such-service/"); err == nil && !strings.Contains(page, "no-such-service") {
			t.Fatalf("a Service that is not there answered %q", page)
		}
	}
	d.WaitNotification(t, "of the missing Service", func(n desktoptest.Notification) bool {
		return strings.Contains(n.Body, "no-such-service")
	})
	all := slices.DeleteFunc(d.Notifications(t), func(n desktoptest.Notification) bool { return n.Summary == "demo: on" })
	if len(all) != 1 && time.Since(began) < time.Minute {
		t.Errorf("5 failures in less than a minute made %d notifications: %+v", len(all), all)
	}
}

func TestIconAndMenuComeBackWithThePanel(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Panel: true, Notifications: desktoptest.Recorder}, "demo", "demo-team")
	d.start(t, noCurrent, "demo", "demo-team")
	d.icon.Click(t, d.startOf(t, "demo")...)
	address := d.waitOn(t, "demo")
	if _, err := d.curl(t, "socks5h://"+address, "http://refused/"); err == nil {
		t.Fatal("a closed port answered")
	}
	refused := d.WaitNotification(t, "of the refused connection", func(n desktoptest.Notification) bool { return n.Summary == "demo: connection refused" && n.HasIcon })
	d.CloseNotification(t, refused.ID)

	for range 3 {
		d.RestartPanel(t)
		d.icon.WaitShown(t)
		// Open the submenu with the mouse: this is what the new panel has drawn.
		d.icon.ClickWithMouse(t, d.in(t, "demo", "Copy socks5h://"+address)...)
		d.waitCopied(t, "socks5h://"+address)
		d.icon.ClickWithMouse(t, d.startOf(t, "demo-team")...)
		team := d.waitOn(t, "demo-team")
		d.icon.ClickWithMouse(t, d.in(t, "demo-team", "More to copy", "Copy http://"+team)...)
		d.waitCopied(t, "http://"+team)
		d.icon.ClickWithMouse(t, d.in(t, "demo-team", "Stop")...)
		d.waitClosed(t, "demo-team", team)
	}
}

func TestSecondStartSaysSoAndEnds(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Panel: true}, "demo")
	d.start(t, noCurrent, "demo")
	first := d.program
	second := d.run(t, "--kubeconfig", noCurrent)
	if code := second.Wait(t); code != 1 {
		t.Errorf("the second one ended with %d", code)
	}
	sentence(t, second, "already running")
	if !first.Running() {
		t.Error("the first one has ended")
	}
	first.Signal(syscall.SIGINT)
	if code := first.Wait(t); code != 0 {
		t.Errorf("the first one ended with %d", code)
	}
	d.start(t, noCurrent, "demo")
}

func TestWithoutDesktopOneSentenceSaysWhatToDo(t *testing.T) {
	for name, o := range map[string]desktoptest.Options{
		"D-Bus":   {NoBus: true},
		"display": {NoDisplay: true},
		"bus":     {NoBus: true, NoDisplay: true},
	} {
		t.Run("no "+name, func(t *testing.T) {
			program := newDesktop(t, o, "demo").run(t, "--kubeconfig", noCurrent)
			if code := program.Wait(t); code != exitNoDesktop {
				t.Errorf("it ended with %d", code)
			}
			sentence(t, program, name, "fairlead serve")
		})
	}
}

// sentence fails the test unless a program's output is one line that contains these words.
func sentence(t *testing.T, p *desktoptest.Program, words ...string) {
	t.Helper()
	text := strings.TrimSpace(p.Stdout() + p.Stderr())
	if strings.Contains(text, "\n") {
		t.Errorf("it wrote more than one line:\n%s", text)
	}
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%q is not in %q", word, text)
		}
	}
}

func TestPanelThatComesLateIsWaitedFor(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{}, "demo")
	d.start(t, noCurrent, "demo")
	d.icon.WaitFor(t, "a word about the missing panel", func(desktoptest.Node) bool {
		return strings.Contains(d.program.Stderr(), "fairlead serve")
	})
	d.StartPanel(t)
	d.icon.WaitShown(t)
	d.icon.ClickWithMouse(t, d.startOf(t, "demo")...)
	address := d.waitOn(t, "demo")
	d.icon.ClickWithMouse(t, d.in(t, "demo", "Copy socks5h://"+address)...)
	page, err := d.curl(t, d.waitCopied(t, "socks5h://"+address), hello)
	fromHello(t, "curl", page, err)
}

func TestTakenPortIsAFailureAndNoOtherPort(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Panel: true}, "demo", "demo-team")
	d.start(t, noCurrent, "demo", "demo-team")
	d.icon.Click(t, d.startOf(t, "demo")...)
	address := d.waitOn(t, "demo")
	d.icon.Click(t, d.in(t, "demo", "Stop")...)
	d.waitClosed(t, "demo", address)

	taken, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	d.icon.Click(t, d.startOf(t, "demo")...)
	d.row(t, "demo", "to have failed", func(n desktoptest.Node) bool {
		return strings.HasPrefix(n.Label, "demo"+state) && !strings.Contains(n.Label, ":")
	})
	d.icon.WaitFor(t, "the reason", func(menu desktoptest.Node) bool {
		_, ok := menu.Find(func(n desktoptest.Node) bool {
			return n.Visible && !n.Enabled && strings.Contains(n.Label, address)
		})
		return ok
	})
	d.icon.Click(t, d.startOf(t, "demo-team")...)
	d.waitOn(t, "demo-team")

	taken.Close()
	d.icon.Click(t, d.in(t, "demo", "Try again")...)
	if again := d.waitOn(t, "demo"); again != address {
		t.Errorf("it listens on %s, not %s", again, address)
	}
}

func TestUnreachableClusterIsUnavailableWithTheReason(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Panel: true, Notifications: desktoptest.Recorder}, "away")
	kubeconfig := filepath.Join(d.Home(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte(unusableKubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	d.start(t, kubeconfig, "away", "PROD prod · my-proj europe-west1")
	broken := []string{"Not usable (1)", "PROD prod · my-proj europe-west1"}
	d.icon.WaitAt(t, append(broken, "Open kubeconfig")...)
	if n, _ := d.icon.Menu(t).At(broken...); !strings.Contains(n.Children[0].Label, "nowhere") || n.Children[0].Enabled {
		t.Errorf("it does not say why it cannot be used: %+v", n)
	}
	d.icon.Click(t, d.startOf(t, "away")...)
	d.row(t, "away", "to be unavailable", func(n desktoptest.Node) bool { return strings.HasSuffix(n.Label, state+"API server not reachable") })
	d.icon.WaitFor(t, "the reason", func(menu desktoptest.Node) bool {
		_, ok := menu.Find(func(n desktoptest.Node) bool {
			return n.Visible && !n.Enabled && strings.Contains(n.Label, "127.0.0.1:1")
		})
		return ok
	})
	d.icon.Click(t, d.in(t, "away", "Stop")...)
	d.waitOff(t, "away")
}

// unusableKubeconfig has a cluster without a server that responds, and a context without a cluster.
const unusableKubeconfig = `apiVersion: v1
kind: Config
clusters:
- name: away
  cluster: {server: "https://127.0.0.1:1"}
users:
- name: someone
  user: {token: none}
contexts:
- name: away
  context: {cluster: away, user: someone}
- name: gke_my-proj_europe-west1_prod
  context: {cluster: nowhere, user: someone}
`
