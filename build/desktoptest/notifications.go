//go:build linux

package desktoptest

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"testing"
)

// Notification is a notification as it was sent.
type Notification struct {
	ID       uint32 // assigned by the service
	Replaces uint32 // the ID of the notification that it replaced, 0 for none; unknown (0) with Dunst
	App      string // the name of the program
	Summary  string
	Body     string // markup, as it was sent
	HasIcon  bool   // it has a picture or the name of one
	Actions  string // the titles of its buttons, separated by commas; unknown with Dunst
}

// dunstSettings draw notifications below the panel, and never hold them back when the user is idle.
const dunstSettings = `[global]
monitor = 0
width = 320
origin = top-right
offset = 10x44
font = DejaVu Sans 10
icon_position = left
min_icon_size = 32
max_icon_size = 48
history_length = 50
idle_threshold = 0
`

// startDunst starts the notification daemon and waits until it accepts notifications.
func (d *Desktop) startDunst(t testing.TB) {
	t.Helper()
	if d.options.NoDisplay {
		t.Fatal("dunst needs a display")
	}
	daemon := d.start(t, exec.Command("dunst", "-conf", d.write(t, "dunstrc", dunstSettings)))
	waitFor(t, "dunst", daemon.Output, func() bool { return d.Owned(t, notificationsName) })
}

// Notifications returns the notifications sent so far, the oldest first. Dunst has a history of closed ones only, so
// with Dunst this closes those on the screen.
func (d *Desktop) Notifications(t testing.TB) []Notification {
	t.Helper()
	switch d.options.Notifications {
	case Recorder:
		return d.recorder.all()
	case Dunst:
		return d.dunstHistory(t)
	default:
		t.Fatal("this desktop has no notification service")
		return nil
	}
}

// dunstHistory reads dunst's history, which has the newest first.
func (d *Desktop) dunstHistory(t testing.TB) []Notification {
	t.Helper()
	d.command(t, "dunstctl", "close-all")
	type text struct{ Data string }
	var history struct {
		Data [][]struct {
			ID       struct{ Data uint32 }
			AppName  text `json:"appname"`
			Summary  text
			Body     text
			IconPath text `json:"icon_path"`
		}
	}
	if err := json.Unmarshal([]byte(d.command(t, "dunstctl", "history")), &history); err != nil {
		t.Fatalf("read dunst's history: %v", err)
	}
	var all []Notification
	for _, group := range history.Data {
		for _, n := range group {
			all = append(all, Notification{
				ID: n.ID.Data, App: n.AppName.Data, Summary: n.Summary.Data, Body: n.Body.Data, HasIcon: n.IconPath.Data != "",
			})
		}
	}
	slices.Reverse(all)
	return all
}

// RestartRecorder stops the recorder and starts a new one without notifications.
func (d *Desktop) RestartRecorder(t testing.TB) {
	t.Helper()
	d.recorder.stop()
	d.recorder = startRecorder(t, d.bus)
}

// WaitNotification waits for a notification for which is returns true.
func (d *Desktop) WaitNotification(t testing.TB, what string, is func(Notification) bool) Notification {
	t.Helper()
	var all []Notification
	var found Notification
	describe := func() string { return fmt.Sprintf("there were: %+v", all) }
	waitFor(t, "the notification "+what, describe, func() bool {
		all = d.Notifications(t)
		at := slices.IndexFunc(all, is)
		if at >= 0 {
			found = all[at]
		}
		return at >= 0
	})
	return found
}

// CloseNotification closes a notification as a user does, which is signalled to its sender.
func (d *Desktop) CloseNotification(t testing.TB, id uint32) {
	t.Helper()
	if d.options.Notifications == Dunst {
		d.command(t, "dunstctl", "close-all")
		return
	}
	if err := d.recorder.close(id, 2); err != nil {
		t.Fatalf("close notification %d: %v", id, err)
	}
}

// ChooseAction chooses an action of a notification by its title, as a user does. It needs the Recorder.
func (d *Desktop) ChooseAction(t testing.TB, n Notification, title string) {
	t.Helper()
	if d.options.Notifications != Recorder {
		t.Fatal("only the recorder can choose an action")
	}
	if err := d.recorder.choose(n.ID, title); err != nil {
		t.Fatal(err)
	}
}
