package portforward

import "time"

// settleEvery is how often a writer looks whether its target is connected. It does so once in a connection, and only in
// one that sends much before the Pod has said anything.
const settleEvery = 2 * time.Millisecond

// settle waits, before more is written than is kept, until the attempt may be taken for connected: accepted, and not
// refused within a grace. A refusal that comes first lets the connection go on elsewhere with all that was written; whoever
// reads sees to that.
func (c *conn) settle() {
	ticker := time.NewTicker(settleEvery)
	defer ticker.Stop()
	var at *attempt
	var accepted time.Time
	for end := time.Now().Add(lost); ; {
		c.mu.Lock()
		a, over, again := c.cur, c.over, c.again
		asked := a != nil && a.data != nil
		c.mu.Unlock()
		now := time.Now()
		if over != nil || c.proven.Load() {
			return
		}
		if a != at {
			at, accepted = a, time.Time{}
		}
		if asked && a.data.Progress().Replied && accepted.IsZero() {
			accepted = now
		}
		settled := !accepted.IsZero() && now.Sub(accepted) > c.refusedWithin(a, now) && a.data.Progress().Ended == nil && a.errs.Text() == ""
		if settled || now.After(end) {
			c.mu.Lock()
			c.settled = c.cur == a && c.again == again
			settled = c.settled
			c.mu.Unlock()
			if settled {
				return
			}
		}
		select {
		case <-ticker.C:
		case <-c.life.Done():
			return
		}
	}
}

// knownGrace is the least that a writer waits for a refusal of a target that answered lately.
const knownGrace = 5 * time.Millisecond

// refusedWithin returns how long after its acceptance an attempt may still be refused. A target that answered lately is not
// waited for as long as an unknown one, since every large upload to it waits.
func (c *conn) refusedWithin(a *attempt, now time.Time) time.Duration {
	least := c.pool.cfg.Grace
	if c.pool.targets.proven(a.ep, now) {
		least = min(least, knownGrace)
	}
	return c.pool.targets.grace(least)
}

// room is how much of p may be written now: all of it, or as much as is kept until the attempt has settled.
func (c *conn) room(p []byte) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.settled || c.spent || c.over != nil {
		return len(p)
	}
	return min(len(p), keep-len(c.kept))
}
