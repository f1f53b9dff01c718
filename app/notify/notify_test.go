package notify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"fairlead/app/explain"
	"fairlead/app/notify"
)

var refused = explain.Explanation{Title: "Connection refused", Sentence: "Nothing listens on port 81.", Hint: "Try another port."}

// screen is a Sender that records what it is asked to show, and when.
type screen struct {
	mu     sync.Mutex
	broken error
	shown  []notify.Notification
	at     []time.Time
	tries  int
	closed int
}

func (s *screen) Send(ctx context.Context, n notify.Notification) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	if s.broken != nil {
		return s.broken
	}
	s.shown, s.at = append(s.shown, n), append(s.at, time.Now())
	return nil
}

func (s *screen) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed++
	return nil
}

// all returns what was shown so far.
func (s *screen) all() []notify.Notification {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.shown)
}

// times returns when it was shown.
func (s *screen) times() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.at)
}

func (s *screen) bodies() string {
	var b strings.Builder
	for _, n := range s.all() {
		fmt.Fprintf(&b, "[%s] %s\n", n.Title, strings.ReplaceAll(n.Body, "\n", " | "))
	}
	return b.String()
}

// bubble runs f with a running Notifier, on a clock of its own, and waits for the Notifier's end.
func bubble(t *testing.T, c notify.Config, f func(t *testing.T, n *notify.Notifier)) {
	synctest.Test(t, func(t *testing.T) {
		n := notify.New(c)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- n.Run(ctx) }()
		f(t, n)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// pass lets time pass in a bubble.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func expect(t *testing.T, s *screen, want string) {
	t.Helper()
	if got := s.bodies(); got != want {
		t.Errorf("shown:\n%swant:\n%s", got, want)
	}
}

const first = "[Connection refused] web:81 in context staging | Nothing listens on port 81. | Try another port.\n"

func TestAFailureIsShownAtOnce(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		begin := time.Now()
		n.Failure("staging", "web:81", refused)
		synctest.Wait()
		expect(t, s, first)
		if at := s.times(); len(at) != 1 || !at[0].Equal(begin) {
			t.Errorf("shown at %v, not at %v", at, begin)
		}
	})
	if s.closed != 1 {
		t.Errorf("closed %d times", s.closed)
	}
}

func TestRepeatsAreCountedAndShownOnceAMinute(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		n.Failure("staging", "web:81", refused)
		pass(time.Second)
		for range 7 {
			n.Failure("staging", "web:81", refused)
			pass(time.Second)
		}
		expect(t, s, first)
		pass(time.Minute)
		second := strings.TrimSuffix(first, "\n") + " | 7 times in the last minute.\n"
		expect(t, s, first+second)
		if shown := s.all(); shown[0].Key != shown[1].Key || shown[0].Key == "" {
			t.Errorf("keys %q and %q: the second does not replace the first", shown[0].Key, shown[1].Key)
		}
		if at := s.times(); at[1].Sub(at[0]) != time.Minute {
			t.Errorf("the second came after %v", at[1].Sub(at[0]))
		}

		pass(10 * time.Second)
		n.Failure("staging", "web:81", refused)
		pass(time.Minute)
		third := strings.TrimSuffix(first, "\n") + " | Once more in the last minute.\n"
		expect(t, s, first+second+third)

		pass(2 * time.Minute)
		expect(t, s, first+second+third)
		n.Failure("staging", "web:81", refused)
		synctest.Wait()
		expect(t, s, first+second+third+first)
	})
}

func TestOneCauseIsCountedAndAnotherIsShownAtOnce(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s, Quiet: 10 * time.Second}, func(t *testing.T, n *notify.Notifier) {
		n.Failure("staging", "web:81", refused)
		pass(time.Second)
		n.Failure("staging", "web:81", explain.Explanation{Title: "Login needed", Sentence: "Sign in."})
		synctest.Wait()
		other := "[Login needed] web:81 in context staging | Sign in."
		expect(t, s, first+other+"\n")
		n.Failure("staging", "web:81", explain.Explanation{Title: "Login needed", Sentence: "Sign in."})
		pass(10 * time.Second)
		expect(t, s, first+other+"\n"+other+" | Once more in the last 10s.\n")
	})
}

func TestTargetsAndContextsAreShownSeparately(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		for range 2 {
			n.Failure("staging", "web:81", refused)
			n.Failure("staging", "web:82", refused)
			n.Failure("prod", "web:81", refused)
			n.Failure("prod", "", explain.Explanation{Title: "Cluster unreachable", Sentence: "No answer."})
			synctest.Wait()
		}
		expect(t, s, first+
			strings.Replace(first, "web:81", "web:82", 1)+
			strings.Replace(first, "staging", "prod", 1)+
			"[Cluster unreachable] Context prod | No answer.\n")
		keys := map[string]bool{}
		for _, n := range s.all() {
			keys[n.Key] = true
		}
		if len(keys) != 4 {
			t.Errorf("%d keys for 4 notifications", len(keys))
		}
	})
}

func TestManyTargetsAreNoStorm(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s, Targets: 3}, func(t *testing.T, n *notify.Notifier) {
		for i := range 500 {
			n.Failure("staging", fmt.Sprintf("host-%03d:80", i), refused)
		}
		n.Failure("prod", "web:81", refused)
		synctest.Wait()
		got := s.bodies()
		if len(s.all()) != 5 {
			t.Fatalf("not 5 notifications:\n%s", got)
		}
		for _, want := range []string{"host-000:80 in context staging", "host-002:80 in context staging", "web:81 in context prod",
			"[More connections fail] Other targets in context staging fail too. The last one was host-"} {
			if !strings.Contains(got, want) {
				t.Errorf("%q was not shown:\n%s", want, got)
			}
		}
		pass(5 * time.Minute)
		n.Failure("staging", "host-499:80", refused)
		synctest.Wait()
		shown := s.all()
		if last := shown[len(shown)-1]; !strings.HasPrefix(last.Body, "host-499:80 in context staging") {
			t.Errorf("after the storm: %q", last.Body)
		}
	})
}

func TestABrokenDesktopIsLoggedOncePerOutage(t *testing.T) {
	s := &screen{broken: errors.New("no bus")}
	log := &lines{}
	bubble(t, notify.Config{Sender: s, Log: zerolog.New(log)}, func(t *testing.T, n *notify.Notifier) {
		for i := range 4 {
			n.Failure("staging", fmt.Sprint("web:", i), refused)
		}
		synctest.Wait()
		if s.attempts() != 4 || strings.Count(log.String(), "no bus") != 1 {
			t.Errorf("%d tries, log:\n%s", s.attempts(), log)
		}
		s.repair(nil)
		n.Say("Copied", "socks5h://127.0.0.1:1080")
		synctest.Wait()
		expect(t, s, "[Copied] socks5h://127.0.0.1:1080\n")
		s.repair(errors.New("no bus"))
		n.Say("Copied", "again")
		n.Say("Copied", "and again")
		synctest.Wait()
		if strings.Count(log.String(), "no bus") != 2 {
			t.Errorf("log:\n%s", log)
		}
	})
}

func (s *screen) attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tries
}

func (s *screen) repair(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

// stuck is a Sender whose desktop never responds.
type stuck struct{ screen }

func (s *stuck) Send(ctx context.Context, n notify.Notification) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestAStuckDesktopBlocksNoCaller(t *testing.T) {
	s := &stuck{}
	log := &lines{}
	bubble(t, notify.Config{Sender: s, Log: zerolog.New(log)}, func(t *testing.T, n *notify.Notifier) {
		begin := time.Now()
		for i := range 1000 {
			n.Failure("staging", fmt.Sprint("web:", i), refused)
			n.Say("Copied", "text")
		}
		if !time.Now().Equal(begin) {
			t.Error("a caller waited for the desktop")
		}
		pass(10 * time.Second)
		if !strings.Contains(log.String(), "deadline") {
			t.Errorf("log:\n%s", log)
		}
		// That the bubble ends shows that Run stops in the middle of a Send.
	})
	if s.closed != 1 {
		t.Errorf("closed %d times", s.closed)
	}
}

func TestNothingIsShownBeforeRunOrAfterIt(t *testing.T) {
	s := &screen{}
	synctest.Test(t, func(t *testing.T) {
		n := notify.New(notify.Config{Sender: s})
		n.Failure("staging", "web:81", refused)
		pass(time.Hour)
		expect(t, s, "")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := n.Run(ctx); err != nil || s.closed != 1 {
			t.Errorf("Run: %v, closed %d times", err, s.closed)
		}
		n.Failure("staging", "web:81", refused)
		n.Say("Copied", "x")
		synctest.Wait()
		expect(t, s, "")
	})
}

func TestHostileNamesStayText(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		n.Failure("a\x1b[2J\nb", "h\x00ost\u202e:80", explain.Explanation{Title: "T", Sentence: strings.Repeat("x", 5000)})
		n.Say(strings.Repeat("t", 500), "socks5h://user:secretsecret@127.0.0.1:1080\nnext")
		synctest.Wait()
		got := s.bodies()
		if strings.ContainsAny(got, "\x1b\x00\u202e") || strings.Contains(got, "secret") || len(got) > 1500 {
			t.Errorf("%q", got)
		}
		if !strings.Contains(got, "host:80 in context a[2J b") || !strings.Contains(got, "127.0.0.1:1080 | next") {
			t.Errorf("%q", got)
		}
	})
}

// within bounds how long anything may take on a busy machine.
const within = 20 * time.Second

// lines is a log that a test can wait for.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) count() int { return strings.Count(l.String(), "\n") }

func (l *lines) wait(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(within); l.count() < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing was logged")
		}
	}
}

func TestAFaultOfTheContextIsNotShownForEachTarget(t *testing.T) {
	away := explain.Explanation{Title: "Cluster unreachable", Sentence: "It is away.", Hint: "Check the VPN."}
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		n.Trouble(notify.Contexts, "staging", away, "")
		pass(time.Second)
		n.Failure("staging", "web:81", away)
		n.Failure("staging", "db:5432", away)
		pass(time.Second)
		want := "[Cluster unreachable] Context staging | It is away. | Check the VPN.\n"
		expect(t, s, want)

		n.Failure("staging", "web:81", refused) // another cause
		pass(time.Second)
		want += first
		expect(t, s, want)

		pass(time.Minute)
		want += "[Cluster unreachable] Context staging | It is away. | Check the VPN. | 2 times in the last minute.\n"
		expect(t, s, want)
		if shown := s.all(); shown[0].Key != shown[2].Key {
			t.Error("the third does not take the first one's place")
		}

		pass(10 * time.Minute)
		n.Failure("staging", "web:81", away) // it still is
		pass(time.Second)
		want += "[Cluster unreachable] Context staging | It is away. | Check the VPN.\n"
		expect(t, s, want)

		n.Recovered("staging")
		n.Failure("staging", "web:81", away) // only the target has recovered
		pass(time.Second)
		want += "[Works again] Context staging\n[Cluster unreachable] web:81 in context staging | It is away. | Check the VPN.\n"
		expect(t, s, want)
	})
}
