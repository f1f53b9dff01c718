package admission

import (
	"sync"
	"time"
)

// How wrong passwords are answered: all clients of a Server together get a limited number of answers, each after a
// pause. Further ones are cut without an answer. The right password is answered immediately, so a client can guess
// faster by hanging up instead of waiting. Only a long password protects against that.
const (
	wrongPause    = 500 * time.Millisecond // the shortest pause
	wrongInterval = 250 * time.Millisecond // between two answers, in the long run
	wrongBurst    = 8                      // answers that need not keep the interval
	wrongWait     = 8 * time.Second        // the longest pause; it also bounds how many clients wait
)

// Guesses schedules the answers to wrong passwords. The zero value is ready.
type Guesses struct {
	mutex sync.Mutex
	next  time.Time // when the next answer would be due if there were no bursts
}

// Reserve returns how long a client with a wrong password has to wait for its answer, and false if it gets none. An
// answer that a client does not wait for is used up.
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
