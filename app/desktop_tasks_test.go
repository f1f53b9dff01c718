//go:build linux

package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"fairlead/build/desktoptest"
)

// effort is what a user does with the pointer: clicks, and submenus that open under it. Where submenus unfold inside the
// menu they take a click instead.
type effort struct{ clicks, submenus int }

// The efforts that a task may take: of an entry of the menu, and of one in the submenu of a context. In GNOME Shell the
// latter takes three clicks.
var (
	ofMenu    = effort{clicks: 2}
	ofSubmenu = effort{clicks: 2, submenus: 1}
)

// pointing is the user of a desktop, who has only a pointer.
type pointing struct {
	*onDesktop
	unfolds bool // submenus unfold inside the menu
}

// clicks clicks an entry of the menu, and checks that it takes no more than it should.
func (u pointing) clicks(t *testing.T, task string, most effort, path ...string) {
	t.Helper()
	u.icon.ClickWithMouse(t, path...)
	u.check(t, task, effort{2, len(path) - 1}, most, path)
}

// reads points at an entry of the menu, to read it, and closes the menu.
func (u pointing) reads(t *testing.T, task string, most effort, path ...string) {
	t.Helper()
	u.icon.Point(t, path...)
	u.CloseMenu(t)
	u.check(t, task, effort{1, len(path) - 1}, most, path)
}

func (u pointing) check(t *testing.T, task string, took, most effort, path []string) {
	t.Helper()
	if u.unfolds {
		took, most = effort{clicks: took.clicks + took.submenus}, effort{clicks: most.clicks + most.submenus}
	}
	t.Logf("%s: %d clicks, %d submenus", task, took.clicks, took.submenus)
	if took.clicks > most.clicks || took.submenus > most.submenus {
		t.Errorf("to %s takes %+v, and should take %+v at most: %q", task, took, most, path)
	}
}

// taskContexts writes a kubeconfig with the contexts of the test's cluster, a production one, and one whose cluster is at
// another address.
func taskContexts(t *testing.T, dir, away string) string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(noCurrent)
	if err != nil {
		t.Fatal(err)
	}
	config.Contexts["prod-eu"] = config.Contexts["demo"].DeepCopy()
	config.Clusters["away"] = &api.Cluster{Server: "https://" + away}
	config.Contexts["away"] = config.Contexts["demo"].DeepCopy()
	config.Contexts["away"].Cluster = "away"
	file := filepath.Join(dir, "tasks.yaml")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// doTasks does what users do most, with the pointer alone.
func doTasks(t *testing.T, o desktoptest.Options) {
	o.Notifications, o.Width, o.Height = desktoptest.Recorder, 1280, 800
	u := pointing{newDesktop(t, o, "demo", "demo-team", "prod-eu", "away"), o.GNOME}
	opened := filepath.Join(u.Home(), "opened")
	browsers := t.TempDir()
	if err := os.WriteFile(filepath.Join(browsers, "chromium"), []byte("#!/bin/sh\necho \"$@\" >"+opened+"\nexec sleep 600\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	// The login shell's PATH is the one that counts, once it is known.
	if err := os.WriteFile(filepath.Join(u.Home(), ".bash_profile"), []byte("PATH="+browsers+":$PATH\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u.Setenv("PATH", browsers+":"+u.Getenv("PATH"))
	u.Setenv("SHELL", "/bin/bash")
	away := freeAddress(t)
	u.start(t, taskContexts(t, u.Home(), away), "demo", "PROD prod-eu", "away")
	u.icon.WaitShown(t)

	u.clicks(t, "start a context", ofMenu, u.startOf(t, "demo")...)
	address := u.waitOn(t, "demo")
	u.ChooseAction(t, u.WaitNotification(t, "that demo is on", func(n desktoptest.Notification) bool { return n.Actions == "Copy URL" }), "Copy URL")
	page, err := u.curl(t, u.waitCopied(t, "socks5h://"+address), hello)
	fromHello(t, "curl", page, err)

	u.clicks(t, "open the browser", ofSubmenu, u.in(t, "demo", "Open Chromium in this cluster")...)
	u.icon.WaitFor(t, "the browser", func(desktoptest.Node) bool {
		arguments, err := os.ReadFile(opened)
		return err == nil && strings.Contains(string(arguments), address)
	})
	u.clicks(t, "copy for bash", ofSubmenu, u.in(t, "demo", "Copy setup for bash")...)
	u.icon.WaitFor(t, "the lines for bash", func(desktoptest.Node) bool {
		return strings.Contains(u.Clipboard(t), "export ") && strings.Contains(u.Clipboard(t), address)
	})

	u.clicks(t, "start a context", ofMenu, u.startOf(t, "away")...)
	u.waitTrouble(t, "away", unreachable) // which is the cause, in words
	sentence := u.row(t, "away", "to say it first in its submenu", func(n desktoptest.Node) bool {
		return len(n.Children) > 0 && strings.HasPrefix(n.Children[0].Label, "Nothing is listening at the API server's address")
	}).Children[0].Label
	u.reads(t, "see why one failed", effort{1, 1}, u.in(t, "away", sentence)...)
	listener, err := net.Listen("tcp", away)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	tried := make(chan bool, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			conn.Close()
		}
		tried <- err == nil
	}()
	u.clicks(t, "try again", ofSubmenu, u.in(t, "away", "Try again")...)
	select {
	case ok := <-tried:
		if !ok {
			t.Error("the listener has ended")
		}
	case <-time.After(time.Minute):
		t.Error("the cluster was not tried again")
	}

	u.clicks(t, "stop a context", ofSubmenu, u.in(t, "demo", "Stop")...)
	u.waitClosed(t, "demo", address)
	u.clicks(t, "start production", ofSubmenu, u.in(t, "PROD prod-eu", "Start prod-eu")...)
	page, err = u.curl(t, "socks5h://"+u.waitOn(t, "PROD prod-eu"), hello)
	fromHello(t, "curl", page, err)
	u.clicks(t, "stop all", ofMenu, "Stop all")
	u.icon.WaitAt(t, "No context is on")
}

func TestWhatUsersDoMostTakesFewClicks(t *testing.T) { doTasks(t, desktoptest.Options{Panel: true}) }
