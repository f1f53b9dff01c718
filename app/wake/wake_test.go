package wake

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestSleepsAndChangesOfTheNetworkAreReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mutex sync.Mutex      // guards the variables below
		slept := time.Duration(0) // time that timers did not count
		network := "10.0.0.2/24"
		var told []string
		locked := func(do func()) { mutex.Lock(); defer mutex.Unlock(); do() }
		w := watcher{
			now:       func() (now time.Time) { locked(func() { now = time.Now().Add(slept) }); return now },
			addresses: func() (now string) { locked(func() { now = network }); return now },
		}
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() {
			defer close(over)
			w.run(ctx, func(c Cause) {
				locked(func() { told = append(told, string(c)) })
				time.Sleep(time.Minute) // a slow callback is not a sleep of the machine
			})
		}()
		check := func(more time.Duration, now string, want ...string) {
			t.Helper()
			locked(func() { slept, network = slept+more, now })
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			locked(func() {
				if got := strings.Join(told, ", "); got != strings.Join(want, ", ") {
					t.Errorf("reported %q, want %q", got, want)
				}
				told = nil
			})
		}
		check(0, "10.0.0.2/24")
		check(8*time.Hour, "10.0.0.2/24", "woke up")
		check(0, "192.168.1.7/24", "network changed")
		check(time.Hour, "", "woke up")
		check(time.Second, "") // a busy machine
		cancel()
		<-over
	})
}

func TestAddressesOfThisMachineAreRead(t *testing.T) {
	text := addresses()
	if strings.Contains(text, "127.0.0.1") || strings.Contains(text, "fe80:") {
		t.Errorf("got %q", text)
	}
}
