package admission

import (
	"sync"
	"time"
)

// burstPause is the least time between two log lines about the same kind of trouble.
const burstPause = 10 * time.Second

// A Burst admits the first of many similar events, and then one each burstPause. The zero value is ready.
type Burst struct {
	mutex sync.Mutex
	last  time.Time
	held  int
}

// Admit reports whether this event is admitted, and how many were not since the last one that was.
func (b *Burst) Admit(now time.Time) (held int, ok bool) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if !b.last.IsZero() && now.Sub(b.last) < burstPause {
		b.held++
		return 0, false
	}
	held, b.held, b.last = b.held, 0, now
	return held, true
}
