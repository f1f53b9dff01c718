package notify_test

import (
	"strings"
	"testing"
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
		"away and back":   {[]session.State{on, away, away, on, on}, "[staging: API server not reachable] The API server does not answer.\n[staging: reachable again] \n"},
		"not tried yet":   {[]session.State{on, away, untried}, "[staging: API server not reachable] The API server does not answer.\n"},
		"tried":           {[]session.State{on, away, untried, on}, "[staging: API server not reachable] The API server does not answer.\n[staging: reachable again] \n"},
		"login":           {[]session.State{on, login, on}, "[staging: login needed] The login has expired. | Run tsh login staging.\n[staging: logged in] \n"},
		"port":            {[]session.State{taken}, "[staging: port taken] Another program listens on 127.0.0.1:1080. | Stop it.\n"},
		"no plugin":       {[]session.State{missing}, "[staging: login plugin missing] The program aws was not found. | Install it.\n"},
		"failed, and off": {[]session.State{state(session.Failed, "It ended.", ""), state(session.Off, "", ""), on}, "[staging: failed] It ended.\n"},
		"off, and again":  {[]session.State{away, state(session.Off, "", ""), away}, strings.Repeat("[staging: API server not reachable] The API server does not answer.\n", 2)},
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

// Contexts say that they are on only after the user switched them on and their cluster has answered.
func TestOnlyWhatTheUserSwitchedOnSaysThatItIsOn(t *testing.T) {
	at := time.Unix(1, 0)
	off := state(session.Off, "", "")
	by := func(s session.State, requested time.Time, reached bool) session.State {
		s.Requested, s.Reached, s.Endpoints = requested, reached, session.ProxyAt("0.0.0.0:1080")
		return s
	}
	on, away := state(session.On, "", ""), state(session.Unavailable, "The API server does not answer.", session.Unreachable)
	starting := state(session.Starting, "", "")
	said := "[staging: on] socks5h://127.0.0.1:1080\n"
	for name, test := range map[string]struct {
		states []session.State
		want   string
	}{
		"by a click":       {[]session.State{off, by(starting, at, false), by(on, at, false), by(on, at, true), by(on, at, true)}, said},
		"not yet reached":  {[]session.State{off, by(starting, at, false), by(on, at, false)}, ""},
		"restored":         {[]session.State{off, starting, by(on, time.Time{}, true)}, ""},
		"after trouble":    {[]session.State{by(on, at, false), by(away, at, false), by(on, at, true)}, "[staging: API server not reachable] The API server does not answer.\n[staging: reachable again] \n"},
		"restarted":        {[]session.State{by(on, at, true), by(starting, at, false), by(on, at, true)}, said},
		"off and on":       {[]session.State{by(on, at, true), by(off, at, false), by(on, at.Add(time.Hour), true)}, said + said},
		"failed and again": {[]session.State{by(state(session.Failed, "It ended.", ""), at, false), by(starting, at.Add(1), false), by(on, at.Add(1), true)}, "[staging: failed] It ended.\n" + said},
	} {
		t.Run(name, func(t *testing.T) {
			s := &screen{}
			bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
				follow(n, time.Second, test.states...)
				pass(time.Second)
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

func TestContextsAreCalledAsInTheMenu(t *testing.T) {
	s := &screen{}
	titles := func(session.Snapshot) map[string]string { return map[string]string{"staging": "stag · eu"} }
	bubble(t, notify.Config{Sender: s, Titles: titles}, func(t *testing.T, n *notify.Notifier) {
		follow(n, time.Second, state(session.Failed, "The proxy of context staging ended.", ""))
		n.Failure("staging", "web:81", refused, false)
		n.Failure("staging", "web:82", refused, false)
		pass(time.Second)
		expect(t, s, "[stag · eu: failed] The proxy of this context ended.\n[stag · eu: 2 connections failed] web:82 – connection refused | web:81 – connection refused | Try another port.\n")
		if got := s.all()[0].About.Contexts; len(got) != 1 || got[0] != "staging" {
			t.Errorf("the choice is about %v", got)
		}
	})
}

func TestThePictureIsTheStates(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		production := state(session.Unavailable, "The API server does not answer.", session.Unreachable)
		production.Production = true
		follow(n, 2*time.Second, state(session.Unavailable, "Log in.", session.LoginNeeded), production, state(session.On, "", ""))
		var pictures []string
		for _, shown := range s.all() {
			pictures = append(pictures, shown.Icon)
		}
		if got := strings.Join(pictures, " "); got != "attention failed-production on" {
			t.Errorf("the pictures are %s", got)
		}
	})
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
		expect(t, s, "[staging: API server not reachable] The API server does not answer.\n")
	})
}

func TestAnUnstableContextIsShownOnceAMinute(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		on, away := state(session.On, "", ""), state(session.Unavailable, "The API server does not answer.", session.Unreachable)
		follow(n, time.Second, on, away, on, away, on, away, on, away)
		pass(time.Minute)
		expect(t, s, "[staging: API server not reachable] The API server does not answer.\n[staging: reachable again] \n[staging: API server not reachable] The API server does not answer.\n")
	})
}

func TestAFailureAfterAClickIsShownAtOnce(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		failed, starting := state(session.Failed, "The port is taken.", ""), state(session.Starting, "", "")
		follow(n, time.Second, starting, failed, starting, failed)
		expect(t, s, strings.Repeat("[staging: failed] The port is taken.\n", 2))
	})
}

func TestAKindThatIsOffIsNotShown(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s, Wanted: func(k notify.Kind) bool { return k == notify.Ports }}, func(t *testing.T, n *notify.Notifier) {
		n.Failure("staging", "web:81", refused, false)
		follow(n, time.Second, state(session.Unavailable, "Away.", session.Unreachable), state(session.On, "", ""),
			state(session.Failed, "Taken.", session.PortTaken))
		n.Say("Copied", "this")
		pass(gathered)
		expect(t, s, "[staging: port taken] Taken.\n[Copied] this\n")
	})
}
