//go:build linux

package main

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"fairlead/build/desktoptest"
)

var update = flag.Bool("update", false, "write the golden files again")

// sameMenu compares the whole menu, as the panel knows it, with a golden file. Ports and versions vary, and so does whether
// it runs as root.
func (d *onDesktop) sameMenu(t *testing.T, name string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		d.icon.WaitShown(t) // the panel may still be drawing it, so the text is compared
		if err := os.WriteFile(path, []byte(plainMenu(d.icon.Menu(t))), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d.icon.WaitFor(t, "the menu to be as in "+path+"\n"+string(want), func(menu desktoptest.Node) bool { return plainMenu(menu) == string(want) })
}

var (
	portPattern    = regexp.MustCompile(`127\.0\.0\.1:\d+|–  :\d+`)
	versionPattern = regexp.MustCompile(`Copy version: .*`)
	rootPattern    = regexp.MustCompile(`(?m)^    Fairlead runs as root(?:.*\n)+?    ---\n`)
)

func plainMenu(menu desktoptest.Node) string {
	text := portPattern.ReplaceAllStringFunc(menu.String(), func(port string) string { return port[:strings.LastIndex(port, ":")+1] + "PORT" })
	return rootPattern.ReplaceAllString(versionPattern.ReplaceAllString(text, "Copy version: VERSION"), "")
}

func TestTheWholeMenuIsAsItShouldBe(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Panel: true, Notifications: desktoptest.Recorder}, "demo", "demo-team")
	browsers := t.TempDir()
	for _, name := range []string{"chromium", "firefox"} {
		if err := os.WriteFile(filepath.Join(browsers, name), []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	d.Setenv("PATH", browsers) // these browsers and no others
	d.Setenv("SHELL", "/bin/bash")
	d.start(t, noCurrent, "demo", "demo-team")
	d.sameMenu(t, "menu-off")
	d.icon.Click(t, d.startOf(t, "demo")...)
	d.waitOn(t, "demo")
	d.icon.WaitAt(t, d.in(t, "demo", "Restart")...)
	d.sameMenu(t, "menu-on")
}

func TestServicesAreLoadedAndCopied(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Panel: true, Notifications: desktoptest.Recorder}, "demo", "demo-team")
	d.start(t, noCurrent, "demo", "demo-team")
	d.icon.Click(t, d.startOf(t, "demo")...)
	address := d.waitOn(t, "demo")
	// Opening the submenu loads them. They are in it when it is opened again, without the menu having been closed.
	d.icon.Point(t, d.in(t, "demo", "Services", "Loading… Open this menu again in a moment.")...)
	d.icon.Point(t, d.in(t, "demo", "Options")...)
	d.icon.ClickWithMouse(t, d.pathTo(t, "Copy http://hello.default.svc/")...)
	page, err := d.curl(t, "socks5h://"+address, d.waitCopied(t, "http://hello.default.svc/"))
	fromHello(t, "curl", page, err)
	d.icon.WaitAt(t, d.in(t, "demo", "Options", "Namespace: default", "team")...)
}

func TestProductionAsksBeforeItStarts(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Panel: true, Notifications: desktoptest.Recorder}, "demo", "demo-team")
	d.start(t, noCurrent, "demo", "demo-team")
	d.icon.Click(t, d.startOf(t, "demo")...)
	d.waitOn(t, "demo")
	d.icon.Click(t, d.in(t, "demo", "Options", "Treat as production")...)
	d.row(t, "PROD demo", "to be marked", func(desktoptest.Node) bool { return true })
	d.icon.Click(t, d.in(t, "PROD demo", "Options", "Stop after: never", "1 hour")...)
	turnsOff := func(menu desktoptest.Node) bool {
		_, ok := menu.Find(func(n desktoptest.Node) bool { return strings.HasPrefix(n.Label, "Stops at ") })
		return ok
	}
	d.icon.WaitFor(t, "a word about when it turns itself off", turnsOff)
	d.icon.Click(t, d.in(t, "PROD demo", "Stop")...)
	d.waitOff(t, "PROD demo")
	d.row(t, "PROD demo", "to ask", func(n desktoptest.Node) bool { return len(n.Children) == 2 })
	d.icon.ClickWithMouse(t, "PROD demo", "Start demo")
	page, err := d.curl(t, "socks5h://"+d.waitOn(t, "PROD demo"), hello)
	fromHello(t, "curl", page, err)
	if turnsOff(d.icon.Menu(t)) {
		t.Error("it turns itself off, and that was not asked for")
	}
	d.icon.Click(t, d.in(t, "PROD demo", "Stop")...)
	d.waitOff(t, "PROD demo")
	d.icon.Click(t, "PROD demo", "Start demo for 1 hour")
	d.waitOn(t, "PROD demo")
	d.icon.WaitFor(t, "a word about when it turns itself off", turnsOff)
}

// When a cluster goes away and comes back, there is one notification, with something to do about it, also from a
// notification service that was restarted in between.
func TestAContextThatFailsAndComesBackIsNotified(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Panel: true, Notifications: desktoptest.Recorder}, "away")
	away := httptest.NewTLSServer(http.NotFoundHandler())
	kubeconfig := filepath.Join(d.Home(), "kubeconfig")
	text := strings.Replace(unusableKubeconfig, "https://127.0.0.1:1", away.URL, 1)
	away.Close() // nothing listens there any more
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d.start(t, kubeconfig, "away")
	d.icon.Click(t, d.startOf(t, "away")...)
	told := d.WaitNotification(t, "of the cluster that is away", func(n desktoptest.Notification) bool { return n.Summary == "away: API server not reachable" })
	if strings.Contains(told.Body, "away") || told.Actions != "Try again, Open log" {
		t.Errorf("%+v", told)
	}
	d.RestartRecorder(t)
	d.icon.Click(t, d.in(t, "away", "Stop")...)
	d.waitOff(t, "away")
	d.icon.Click(t, d.startOf(t, "away")...)
	d.WaitNotification(t, "from the restarted service", func(n desktoptest.Notification) bool { return n.Summary == "away: API server not reachable" })
}

func TestTheCurrentContextIsMarkedAndOnTop(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{Panel: true}, "demo", "demo-team")
	config, err := clientcmd.LoadFromFile(cluster.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.CurrentContext = "demo-team"
	file := filepath.Join(d.Home(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	d.start(t, file, "★ demo-team", "demo")
	d.icon.WaitFor(t, "the current context on top", func(menu desktoptest.Node) bool {
		top, ok := menu.Find(func(n desktoptest.Node) bool { return strings.Contains(n.Label, "demo") })
		return ok && top.Label == "★ demo-team"
	})
	d.icon.ClickWithMouse(t, "★ demo-team")
	address := d.waitOn(t, "★ demo-team")
	if page, err := d.curl(t, "socks5h://"+address, "http://app/"); err != nil || !strings.Contains(page, "team/app-") {
		t.Errorf("curl got %q, %v", page, err)
	}
}
