package actions

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"fairlead/app/desktop"
	"fairlead/app/menu"
	"fairlead/app/notify"
	"fairlead/app/session"
)

func TestAMiddleClickFollowsTheSettings(t *testing.T) {
	c := actionsWith(t, "middle-click: nothing\n")
	if got := c.MiddleClick(); got != (menu.Click{}) {
		t.Errorf("nothing is %+v", got)
	}
	if err := os.WriteFile(c.Settings.File(), []byte("middle-click: copy-url\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c.Settings.Reload(); c.MiddleClick() != (menu.Click{Action: menu.CopyURL}) {
		t.Errorf("copy-url is %+v", c.MiddleClick())
	}
}

// setOn sets whether a context of a model is on, and waits until it is so.
func setOn(t *testing.T, model *session.Manager, name string, on bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := model.Do(ctx, session.Set{Name: name, On: on}); err != nil {
		t.Fatal(err)
	}
	for snapshot := range model.Watch(ctx) {
		if state, _ := snapshot.Context(name); state.Phase.Listening() == on {
			return
		}
	}
	t.Fatalf("%s is not as it should be", name)
}

func TestTheContextThatWasUsedLastIsTheOneToCopy(t *testing.T) {
	c := actionsWith(t, "")
	c.model = runModel(t, func(string) {}, session.Entry{Name: "a"}, session.Entry{Name: "b"}, session.Entry{Name: "tls", TLS: true},
		session.Entry{Name: "off", Used: time.Now().Add(time.Hour)})
	if click, err := c.lastURL(); err == nil || !strings.Contains(err.Error(), "no context is on") {
		t.Errorf("none on: %+v, %v", click, err)
	}
	for _, step := range []struct {
		name string
		on   bool
		want menu.Click
	}{
		{"b", true, menu.Click{Action: menu.CopySOCKS5, Context: "b"}},
		{"a", true, menu.Click{Action: menu.CopySOCKS5, Context: "a"}},
		{"tls", true, menu.Click{Action: menu.CopyTLS, Context: "tls"}},
		{"tls", false, menu.Click{Action: menu.CopySOCKS5, Context: "a"}},
		{"a", false, menu.Click{Action: menu.CopySOCKS5, Context: "b"}},
	} {
		setOn(t, c.model, step.name, step.on)
		if got, err := c.lastURL(); got != step.want || err != nil {
			t.Errorf("after %s became %t: %+v, %v; want %+v", step.name, step.on, got, err, step.want)
		}
	}
}

// There is no clipboard here, so the notification has the text.
func TestAMiddleClickCopiesAndSaysSo(t *testing.T) {
	t.Setenv("DISPLAY", "")
	t.Setenv("WAYLAND_DISPLAY", "")
	c := actionsWith(t, "contexts: {demo: {port: 1234, password: {user: me, password: hunter2}}}\n")
	told := make(recorder, 1)
	c.notifier, c.clipboard = notify.New(notify.Config{Sender: told}), &desktop.Clipboard{}
	c.model = runModel(t, func(string) {}, session.Entry{Name: "demo"})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.notifier.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	if err := c.Act(ctx, menu.Click{Action: menu.CopyURL}); err != errNoneOn {
		t.Errorf("with no context on: %v", err)
	}
	setOn(t, c.model, "demo", true)
	if err := c.Act(ctx, menu.Click{Action: menu.CopyURL}); err != nil {
		t.Fatal(err)
	}
	select {
	case n := <-told:
		if n.Title != "Not copied: socks5h://127.0.0.1:1234" || strings.Contains(n.Title+n.Body, "hunter2") {
			t.Errorf("%+v", n)
		}
	case <-time.After(30 * time.Second):
		t.Error("no notification")
	}
}
