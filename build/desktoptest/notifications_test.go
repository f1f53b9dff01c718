//go:build linux

package desktoptest

import "testing"

func TestRecorderReadsWhatARealProgramSends(t *testing.T) {
	d := Start(t, Options{NoDisplay: true, Notifications: Recorder})
	// It waits until the notification is closed.
	sender := d.Run(t, "notify-send", "--wait", "--app-name=Sender", "--icon=dialog-error", "Refused", "<b>web</b> &amp; more")
	got := d.WaitNotification(t, "Refused", func(n Notification) bool { return n.Summary == "Refused" })
	want := Notification{ID: 1, App: "Sender", Summary: "Refused", Body: "<b>web</b> &amp; more", HasIcon: true}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !sender.Running() {
		t.Error("the sender did not wait for the notification to be closed")
	}
	d.CloseNotification(t, got.ID)
	if code := sender.Wait(t); code != 0 {
		t.Errorf("the sender ended with %d: %s", code, sender.Stderr())
	}
	if all := d.Notifications(t); len(all) != 1 {
		t.Errorf("recorded %+v", all)
	}
}

func TestDunstRemembersWhatItShowed(t *testing.T) {
	d := Start(t, Options{Notifications: Dunst})
	for _, summary := range []string{"one", "two"} {
		d.command(t, "notify-send", "--app-name=Sender", summary, "body of "+summary)
	}
	d.WaitNotification(t, "two", func(n Notification) bool {
		return n.Summary == "two" && n.Body == "body of two" && n.App == "Sender"
	})
	if all := d.Notifications(t); len(all) != 2 || all[0].Summary != "one" {
		t.Errorf("remembered %+v", all)
	}
}

func TestNoNotificationServiceByDefault(t *testing.T) {
	d := Start(t, Options{NoDisplay: true})
	if d.Owned(t, notificationsName) {
		t.Error("the name has an owner")
	}
	if _, err := d.Output(t, "notify-send", "lost"); err == nil {
		t.Error("a notification was accepted")
	}
	if d.Owned(t, notificationsName) {
		t.Error("the notification started a service")
	}
}
