package admission

import (
	"sync"
	"time"
)

// How wrong passwords are answered: all clients of a Server together get so many answers, each after a pause. Those over
// that are cut without one. The right password is never kept waiting, which a client that hangs up instead of waiting can
// make use of: what protects against that one is a long password.
const (
	wrongPause    = 500 * time.Millisecond // the least
	wrongInterval = 250 * time.Millisecond // between two, on the long run
	wrongBurst    = 8                      // that need not keep the interval
	wrongWait     = 8 * time.Second        // the longest; it bounds the clients that wait, too
)

// Guesses schedules the answers to wrong passwords. The zero value is ready.
type Guesses struct {
	mutex sync.Mutex
	next  time.Time // when the next answer would be due if there were no bursts
}

// Reserve returns how long the client of a wrong password has to wait for its answer, false if it gets none. A client that
// does not wait for its answer does not give it back.
func (g *Guesses) Reserve(now time.Time) (wait time.Duration, ok bool) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	next := g.next
	if next.Before(now) {
		next = now
	}
	wait = next.Add(-(wrongBurst - 1) * wrongInterval).Sub(now)
	if wait > wrongWait {
		return 0, false
	}
	g.next = next.Add(wrongInterval)
	return max(wait, wrongPause), true
}
