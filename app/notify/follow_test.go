package notify_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/app/notify"
	"fairlead/app/session"
)

// state returns a context in a phase, with a reason that may be empty.
func state(phase session.Phase, reason string, trouble session.Trouble) session.State {
	return session.State{Name: "staging", Usable: true, Phase: phase, Reason: reason, Trouble: trouble}
}

// follow passes one state after the other to the notifier, with a time between them.
func follow(n *notify.Notifier, between time.Duration, states ...session.State) {
	n.Follow(func(yield func(session.Snapshot) bool) {
		for _, s := range states {
			if !yield(session.Snapshot{Contexts: []session.State{s}}) {
				return
			}
			pass(between)
		}
	})
}

func TestContextsThatFailAndRecoverAreShown(t *testing.T) {
	on := state(session.On, "", "")
	untried := on
	untried.Unknown = true
	away := state(session.Unavailable, "The API server does not answer.", session.Unreachable)
	login := state(session.Unavailable, "The login has expired.", session.LoginNeeded)
	login.Login = "tsh login staging"
	taken := state(session.Failed, "Another program listens on 127.0.0.1:1080.", session.PortTaken)
	taken.Hint = "Stop it."
	missing := state(session.Unavailable, "The program aws was not found.", session.LoginNeeded)
	missing.Title, missing.Hint = "Login plugin missing", "Install it."
	login.Hint = "Run tsh login staging."
	for name, test := range map[string]struct {
		states []session.State
		want   string
	}{
		"all is well":     {[]session.State{state(session.Off, "", ""), state(session.Starting, "", ""), on, state(session.Stopping, "", "")}, ""},
		"away and back":   {[]session.State{on, away, away, on, on}, "[Cluster unreachable] Context staging | The API server does not answer.\n[Works again] Context staging\n"},
		"not tried yet":   {[]session.State{on, away, untried}, "[Cluster unreachable] Context staging | The API server does not answer.\n"},
		"tried":           {[]session.State{on, away, untried, on}, "[Cluster unreachable] Context staging | The API server does not answer.\n[Works again] Context staging\n"},
		"login":           {[]session.State{on, login, on}, "[Login needed] Context staging | The login has expired. | Run tsh login staging.\n[Works again] Context staging\n"},
		"port":            {[]session.State{taken}, "[Port taken] Context staging | Another program listens on 127.0.0.1:1080. | Stop it.\n"},
		"no plugin":       {[]session.State{missing}, "[Login plugin missing] Context staging | The program aws was not found. | Install it.\n"},
		"failed, and off": {[]session.State{state(session.Failed, "It ended.", ""), state(session.Off, "", ""), on}, "[Context failed] Context staging | It ended.\n"},
		"off, and again":  {[]session.State{away, state(session.Off, "", ""), away}, strings.Repeat("[Cluster unreachable] Context staging | The API server does not answer.\n", 2)},
		"unusable entry":  {[]session.State{{Name: "staging", Phase: session.Off, Reason: "No cluster.", Trouble: session.Unusable}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &screen{}
			bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
				follow(n, time.Second, test.states...)
				expect(t, s, test.want)
				for _, shown := range s.all() {
					if shown.Key != s.all()[0].Key {
						t.Errorf("%q does not replace the one before", shown.Title)
					}
				}
			})
		})
	}
}

func TestAContextThatLeavesTheKubeconfigDoesNotWorkAgain(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		away := state(session.Unavailable, "The API server does not answer.", session.Unreachable)
		n.Follow(func(yield func(session.Snapshot) bool) {
			for _, contexts := range [][]session.State{{away}, {}, {state(session.Starting, "", "")}, {state(session.On, "", "")}} {
				yield(session.Snapshot{Contexts: contexts})
				pass(time.Second)
			}
		})
		expect(t, s, "[Cluster unreachable] Context staging | The API server does not answer.\n")
	})
}

func TestAnUnstableContextIsShownOnceAMinute(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		on, away := state(session.On, "", ""), state(session.Unavailable, "The API server does not answer.", session.Unreachable)
		follow(n, time.Second, on, away, on, away, on, away, on, away)
		pass(time.Minute)
		expect(t, s, "[Cluster unreachable] Context staging | The API server does not answer.\n[Works again] Context staging\n"+
			"[Cluster unreachable] Context staging | The API server does not answer. | Once more in the last minute.\n")
	})
}

func TestAFailureAfterAClickIsShownAtOnce(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		failed, starting := state(session.Failed, "The port is taken.", ""), state(session.Starting, "", "")
		follow(n, time.Second, starting, failed, starting, failed)
		expect(t, s, strings.Repeat("[Context failed] Context staging | The port is taken.\n", 2))
	})
}

func TestAKindThatIsOffIsNotShown(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s, Wanted: func(k notify.Kind) bool { return k == notify.Ports }}, func(t *testing.T, n *notify.Notifier) {
		n.Failure("staging", "web:81", refused)
		follow(n, time.Second, state(session.Unavailable, "Away.", session.Unreachable), state(session.On, "", ""),
			state(session.Failed, "Taken.", session.PortTaken))
		n.Say("Copied", "this")
		synctest.Wait()
		expect(t, s, "[Port taken] Context staging | Taken.\n[Copied] this\n")
	})
}
