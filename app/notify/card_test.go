package notify_test

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/app/explain"
	"fairlead/app/notify"
	"fairlead/app/session"
	"fairlead/assets"
	"fairlead/kube/fault"
)

var away = explain.Explanation{Title: "API server not reachable", Sentence: "The API server of context staging does not answer.", Hint: "Check the VPN."}

// trouble returns an API server that is out of reach.
func trouble(context string) notify.Trouble {
	return notify.Trouble{Context: context, Kind: notify.Contexts, Said: away, Over: "reachable again", Sign: session.SignFailed}
}

// keys returns the keys of all that was shown, each once.
func keys(s *screen) map[string]bool {
	found := map[string]bool{}
	for _, n := range s.all() {
		found[n.Key] = true
	}
	return found
}

const staging = "[staging: API server not reachable] The API server of this context does not answer. | Check the VPN.\n"

// The connection that finds the API server away fails a moment before the context is known to be in trouble.
func TestAnAPIServerThatIsAwayIsOneNotification(t *testing.T) {
	for name, between := range map[string]time.Duration{"at once": 0, "before": 2 * time.Second, "after": -2 * time.Second} {
		t.Run(name, func(t *testing.T) {
			s := &screen{}
			bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
				if between < 0 {
					n.Report(trouble("staging"))
					pass(-between)
				}
				n.Failure("staging", "web:81", away, true)
				pass(between)
				if between >= 0 {
					n.Report(trouble("staging"))
				}
				pass(10 * time.Second)
				if len(s.all()) != 1 || !strings.HasPrefix(s.bodies(), strings.TrimSuffix(staging, "\n")) {
					t.Errorf("shown:\n%s", s.bodies())
				}
			})
		})
	}
}

func TestAConnectionWithoutTroubleOfItsContextIsShownAfterAll(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		n.Failure("staging", "web:81", away, true)
		pass(5 * time.Second)
		expect(t, s, "[staging: API server not reachable] web:81 | The API server of this context does not answer. | Check the VPN.\n")
	})
}

func TestConnectionsThatFailForTheContextsReasonAreCountedThere(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		n.Report(trouble("staging"))
		pass(time.Second)
		n.Failure("staging", "web:81", away, true)
		n.Failure("staging", "db:5432", away, true)
		pass(time.Second)
		want := staging
		expect(t, s, want)
		n.Failure("staging", "web:81", refused, false) // another cause
		pass(time.Second)
		want += first
		expect(t, s, want)
		pass(time.Minute)
		want += strings.TrimSuffix(staging, "\n") + " | 2 connections failed because of it.\n"
		expect(t, s, want)
		if shown := s.all(); shown[0].Key != shown[2].Key {
			t.Error("the third does not take the first one's place")
		}
		n.Recovered("staging")
		pass(5 * time.Second)
		want += "[staging: reachable again] \n"
		expect(t, s, want)
		if shown := s.all(); shown[0].Key != shown[3].Key {
			t.Error("the recovery does not take the trouble's place")
		}
	})
}

func TestTheHintIsForAllContexts(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		refused := explain.Error(&fault.Unreachable{Server: "127.0.0.1:9", Err: syscall.ECONNREFUSED})
		for _, context := range []string{"b", "a"} {
			n.Report(notify.Trouble{Context: context, Kind: notify.Contexts, Said: refused, Sign: session.SignFailed})
		}
		pass(time.Second)
		expect(t, s, "[2 contexts: API servers not reachable] a and b. | The clusters may be stopped or may have moved to other addresses.\n")
	})
}

func TestContextsInTroubleForOneCauseAreOneNotification(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		for _, context := range []string{"minikube", "kind-dev", "prod", "staging"} {
			report := trouble(context)
			report.Production = context == "prod"
			n.Report(report)
			pass(50 * time.Millisecond)
		}
		pass(time.Second)
		four := "[4 contexts: API servers not reachable] prod, kind-dev, minikube and staging. | Check the VPN.\n"
		expect(t, s, four)
		if n := s.all()[0]; len(n.Actions) != 2 || n.Actions[0] != notify.Retry || len(n.About.Contexts) != 4 {
			t.Errorf("it offers %v for %v", n.Actions, n.About.Contexts)
		}
		// One more joins it in its place, and one comes back.
		n.Report(trouble("lab"))
		n.Recovered("prod")
		pass(3 * time.Second)
		five := "[4 contexts: API servers not reachable] kind-dev, lab, minikube and staging. | Check the VPN. | prod: reachable again.\n"
		expect(t, s, four+five)
		for _, context := range []string{"minikube", "kind-dev", "staging", "lab"} {
			n.Recovered(context)
		}
		pass(10 * time.Second)
		expect(t, s, four+five+"[4 contexts: reachable again] kind-dev, lab, minikube and staging.\n")
		if len(keys(s)) != 1 {
			t.Errorf("%d notifications: %v", len(keys(s)), keys(s))
		}
	})
}

func TestLoginsOfOneCauseAreOneNotificationWithTheCommands(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		login := func(context, command string) notify.Trouble {
			return notify.Trouble{Context: context, Kind: notify.Logins, Command: command, Over: "logged in", Sign: session.SignAttention,
				Said: explain.Explanation{Title: "Login needed", Sentence: "It ran out.", Hint: "To log in, run “" + command + "”."}}
		}
		n.Report(login("a", "aws sso login"))
		n.Report(login("b", "aws sso login"))
		pass(2 * time.Second)
		n.Report(login("c", "tsh login"))
		pass(2 * time.Second)
		expect(t, s, "[2 contexts: login needed] a and b. | To log in: aws sso login\n"+
			"[3 contexts: login needed] a, b and c. | a: aws sso login | b: aws sso login | c: tsh login\n")
		for i, want := range []string{"copy-login", "retry"} {
			if got := s.all()[i].Actions[0]; string(got) != want || s.all()[i].Icon != "attention" {
				t.Errorf("the %dth offers %v first, its picture is %q", i, got, s.all()[i].Icon)
			}
		}
	})
}

func TestTroubleOfTwoCausesIsTwoNotifications(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		n.Report(trouble("staging"))
		n.Report(notify.Trouble{Context: "lab", Kind: notify.Ports, Said: explain.Explanation{Title: "Port taken", Sentence: "Taken."}})
		pass(gathered)
		expect(t, s, staging+"[lab: port taken] Taken.\n")
		n.Report(notify.Trouble{Context: "staging", Kind: notify.Ports, Said: explain.Explanation{Title: "Port taken", Sentence: "Taken."}})
		pass(2 * time.Second)
		expect(t, s, staging+"[lab: port taken] Taken.\n[2 contexts: port taken] lab and staging.\n")
	})
}

func TestContextsThatAreOnSaySoOnce(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		n.Started("staging", "socks5h://127.0.0.1:1080", false)
		pass(gathered)
		one := "[staging: on] socks5h://127.0.0.1:1080\n"
		expect(t, s, one)
		if n := s.all()[0]; len(n.Actions) != 1 || n.Actions[0] != notify.CopyURL || n.About.Contexts[0] != "staging" || n.Icon != "on" {
			t.Errorf("%+v", n)
		}
		pass(time.Minute)
		// Trouble takes its place.
		n.Report(trouble("staging"))
		pass(gathered)
		expect(t, s, one+staging)
		if len(keys(s)) != 1 {
			t.Errorf("%d notifications", len(keys(s)))
		}
		n.Started("a", "socks5h://127.0.0.1:1", false)
		n.Started("b", "socks5h://127.0.0.1:2", false)
		pass(gathered)
		two := "[2 contexts are on] a: socks5h://127.0.0.1:1 | b: socks5h://127.0.0.1:2\n"
		expect(t, s, one+staging+two)
		// One that is switched on after them has its own, with its URL to copy.
		n.Started("c", "socks5h://127.0.0.1:3", false)
		pass(gathered)
		expect(t, s, one+staging+two+"[c: on] socks5h://127.0.0.1:3\n")
		for i := range 10 {
			n.Started(fmt.Sprint("more", i), "socks5h://127.0.0.1:4", false)
			pass(gathered)
		}
		pass(time.Minute)
		if len(keys(s)) > 4 {
			t.Errorf("%d notifications:\n%s", len(keys(s)), s.bodies())
		}
	})
}

func TestALoginIsOfferedWhereThereIsATerminal(t *testing.T) {
	for terminal, want := range map[bool]string{true: "[log-in copy-login retry]", false: "[copy-login retry]"} {
		s := &screen{}
		bubble(t, notify.Config{Sender: s, Terminal: func() bool { return terminal }}, func(t *testing.T, n *notify.Notifier) {
			n.Report(notify.Trouble{Context: "a", Kind: notify.Logins, Command: "aws configure", Said: explain.Explanation{Title: "Login needed", Sentence: "It ran out."}})
			pass(gathered)
			if n := s.all()[0]; fmt.Sprint(n.Actions) != want || n.About.Text != "aws configure" {
				t.Errorf("terminal %t: %+v", terminal, n)
			}
		})
	}
}

func TestEveryPictureIsThere(t *testing.T) {
	for _, sign := range []session.Sign{session.SignOn, session.SignAttention, session.SignFailed} {
		for _, name := range []string{string(sign), string(sign) + "-production"} {
			if bytes.Equal(assets.Picture(name), assets.Picture("off")) {
				t.Errorf("there is no picture %s", name)
			}
		}
	}
}

func TestTitlesOfLongNamesKeepWhatHappened(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		long := "arn:aws:eks:eu-central-1:123456789012:cluster/" + strings.Repeat("payments-", 20)
		n.Failure(long, "web:81", refused, false)
		n.Say("Copied", "x")
		pass(gathered)
		synctest.Wait()
		if title := s.all()[1].Title; !strings.HasPrefix(title, "arn:aws") || !strings.HasSuffix(title, ": connection refused") || len([]rune(title)) > 80 {
			t.Errorf("%q", title)
		}
	})
}
