package notify_test

import (
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
	"fairlead/app/session"
	"fairlead/build/testoutput"
)

var refused = explain.Explanation{Title: "Connection refused", Sentence: "Nothing is listening on port 81.", Hint: "Try another port."}

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

const first = "[staging: connection refused] web:81 | Nothing is listening on port 81. | Try another port.\n"

// gathered is a little more than a notification waits for others.
const gathered = 500 * time.Millisecond

func TestAFailureIsShownSoon(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		begin := time.Now()
		n.Failure("staging", "web:81", refused, false)
		pass(gathered)
		expect(t, s, first)
		if at := s.times(); len(at) != 1 || at[0].Sub(begin) >= gathered {
			t.Errorf("shown at %v, not soon after %v", at, begin)
		}
	})
	if s.closed != 1 {
		t.Errorf("closed %d times", s.closed)
	}
}

func TestRepeatsAreCountedAndShownOnceAMinute(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		n.Failure("staging", "web:81", refused, false)
		pass(time.Second)
		for range 7 {
			n.Failure("staging", "web:81", refused, false)
			pass(time.Second)
		}
		expect(t, s, first)
		pass(time.Minute)
		second := strings.TrimSuffix(first, "\n") + " | It failed 8 times.\n"
		expect(t, s, first+second)
		if shown := s.all(); shown[0].Key != shown[1].Key || shown[0].Key == "" {
			t.Errorf("keys %q and %q: the second does not replace the first", shown[0].Key, shown[1].Key)
		}
		if at := s.times(); at[1].Sub(at[0]) != time.Minute {
			t.Errorf("the second came after %v", at[1].Sub(at[0]))
		}

		pass(2 * time.Minute)
		expect(t, s, first+second)
		n.Failure("staging", "web:81", refused, false)
		pass(gathered)
		expect(t, s, first+second+first)
	})
}

// A browser that opens a page with ten bad names, in a second.
func TestFailuresOfOneContextAreOneNotificationThatCounts(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		noName := explain.Explanation{Title: "No such Service", Sentence: "There is no Service.", Hint: "Check the name."}
		for i := range 10 {
			n.Failure("kind-dev", fmt.Sprintf("bad-%d:80", i), noName, false)
			pass(90 * time.Millisecond)
		}
		pass(2 * time.Second)
		shown := s.all()
		want := "[kind-dev: 10 connections failed] bad-9:80 – no such Service | bad-8:80 – no such Service | bad-7:80 – no such Service | and 7 more | Check the name.\n"
		if got := s.bodies(); !strings.HasSuffix(got, want) || len(shown) > 3 {
			t.Errorf("shown:\n%swant at the end:\n%s", got, want)
		}
		if shown[0].Icon != string(session.SignAttention) {
			t.Errorf("its picture is %q, and the context has not failed", shown[0].Icon)
		}
		for _, other := range shown {
			if other.Key != shown[0].Key {
				t.Errorf("%q does not replace the one before", other.Title)
			}
		}
	})
}

func TestAnotherCauseIsShownSoonOnTheSameNotification(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		n.Failure("staging", "web:81", refused, false)
		pass(2 * time.Second)
		n.Failure("staging", "web:81", explain.Explanation{Title: "Not allowed", Sentence: "No."}, false)
		pass(gathered)
		expect(t, s, first+"[staging: 2 connections failed] web:81 – not allowed | web:81 – connection refused\n")
	})
}

func TestNeverMoreThanAFewNotifications(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		for i := range 500 {
			n.Failure(fmt.Sprintf("context-%02d", i%40), fmt.Sprintf("host-%03d:80", i), refused, false)
			if i%20 == 0 {
				n.Report(notify.Trouble{Context: fmt.Sprintf("context-%02d", i%40), Kind: notify.Contexts, Said: explain.Explanation{Title: fmt.Sprint("Trouble ", i), Sentence: "Bad."}})
			}
			pass(10 * time.Millisecond)
		}
		pass(5 * time.Second)
		keys := map[string]bool{}
		for _, n := range s.all() {
			keys[n.Key] = true
		}
		if len(keys) != 4 {
			t.Errorf("%d notifications at once:\n%s", len(keys), s.bodies())
		}
		if got := len(s.all()); got > 40 {
			t.Errorf("shown %d times", got)
		}
		if got := s.bodies(); !strings.Contains(got, "more contexts have problems] context-") {
			t.Errorf("nothing of the rest:\n%s", got)
		}
		pass(5 * time.Minute)
		n.Failure("staging", "web:81", refused, false)
		pass(gathered)
		if got := s.bodies(); !strings.HasSuffix(got, first) {
			t.Errorf("after the storm:\n%s", got)
		}
	})
}

func TestABrokenDesktopIsLoggedOncePerOutage(t *testing.T) {
	s := &screen{broken: errors.New("no bus")}
	log := &lines{}
	bubble(t, notify.Config{Sender: s, Log: zerolog.New(log)}, func(t *testing.T, n *notify.Notifier) {
		for i := range 4 {
			n.Failure(fmt.Sprint("staging-", i), "web:81", refused, false)
		}
		pass(gathered)
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
			n.Failure("staging", fmt.Sprint("web:", i), refused, false)
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
		n.Failure("staging", "web:81", refused, false)
		pass(time.Hour)
		expect(t, s, "")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := n.Run(ctx); err != nil || s.closed != 1 {
			t.Errorf("Run: %v, closed %d times", err, s.closed)
		}
		n.Failure("staging", "web:81", refused, false)
		n.Say("Copied", "x")
		pass(gathered)
		expect(t, s, "")
	})
}

func TestHostileNamesStayText(t *testing.T) {
	s := &screen{}
	bubble(t, notify.Config{Sender: s}, func(t *testing.T, n *notify.Notifier) {
		n.Failure("a\x1b[2J\nb", "h\x00ost\u202e:80", explain.Explanation{Title: "T", Sentence: strings.Repeat("x", 5000)}, false)
		n.Say(strings.Repeat("t", 500), "socks5h://user:secretsecret@127.0.0.1:1080\nnext")
		pass(gathered)
		got := s.bodies()
		if strings.ContainsAny(got, "\x1b\x00\u202e") || strings.Contains(got, "secret") || len(got) > 1500 {
			t.Errorf("%q", got)
		}
		if !strings.Contains(got, "[a[2J b: T] host:80 |") || !strings.Contains(got, "127.0.0.1:1080 | next") {
			t.Errorf("%q", got)
		}
	})
}

// within bounds how long anything may take on a busy machine.
const within = 20 * time.Second

// lines is a log that a test can wait for.
type lines struct{ testoutput.Buffer }

func (l *lines) count() int { return strings.Count(l.String(), "\n") }

func (l *lines) wait(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(within); l.count() < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing was logged")
		}
	}
}
