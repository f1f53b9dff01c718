package portforward

import (
	"io"
	"slices"
	"time"
)

// Write sends p. Until the Pod has answered, a failure that allows the connection to go on elsewhere is no error: what was
// written is sent there, and whoever reads, or asks Opened, learns how it went.
func (c *conn) Write(p []byte) (int, error) {
	written := 0
	for !c.proven.Load() {
		part := p[written:]
		part = part[:c.room(part)]
		n, err := c.begin(part)
		written += n
		if err != nil || written == len(p) {
			return written, err
		}
		c.settle()
	}
	n, err := c.send(p[written:])
	return written + n, err
}

// begin is Write while the Pod has not answered.
func (c *conn) begin(p []byte) (int, error) {
	c.opening.Lock()
	if c.proven.Load() {
		c.opening.Unlock()
		return c.send(p)
	}
	before, a, spent, err := c.remember(p)
	if err != nil {
		c.opening.Unlock()
		return 0, err
	}
	if a == nil {
		ctx, cancel := c.bounded()
		_, err := c.open(ctx, append(slices.Clip(before), p...))
		cancel()
		c.opening.Unlock()
		if err != nil {
			return 0, err
		}
		return len(p), nil
	}
	// A write that is stuck must not keep the attempt from being replaced, or its end from being known.
	c.opening.Unlock()
	if spent {
		return c.send(p)
	}
	_, _ = a.data.Write(p) // see above
	return len(p), nil
}

// remember keeps p while it may have to be sent again. before is what was kept so far, a the attempt if it is open.
func (c *conn) remember(p []byte) (before []byte, a *attempt, spent bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over != nil {
		return nil, nil, false, c.over
	}
	if a = c.cur; a != nil && a.data == nil {
		a = nil
	}
	before = c.kept
	if c.spent = c.spent || len(before)+len(p) > keep; c.spent {
		c.kept = nil
	} else {
		c.kept = append(before, p...)
	}
	return before, a, c.spent, nil
}

// send sends p on the one attempt there will be.
func (c *conn) send(p []byte) (int, error) {
	c.mu.Lock()
	a, over := c.cur, c.over
	c.mu.Unlock()
	if over != nil {
		return 0, over
	}
	c.wakeHealth(a)
	return a.data.Write(p)
}

// wakeHealth has a session looked after that was silent when something is sent on it.
func (c *conn) wakeHealth(a *attempt) {
	now := time.Now()
	c.sentAt.Store(now.UnixNano())
	if a.s.doubtful.Load() {
		c.look()
		return
	}
	st := a.s.State()
	if st.Pinging > 0 || st.Unheard > 0 || age(now, st.Heard) < patience {
		return
	}
	c.look()
}

// A nudger wakes the health of the connection that it is sent on.
type nudger struct {
	io.Reader
	c *conn
	a *attempt
}

func (n nudger) Read(p []byte) (int, error) {
	count, err := n.Reader.Read(p)
	if count > 0 {
		n.c.wakeHealth(n.a)
	}
	return count, err
}

// ReadFrom sends what r gives until r ends.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	var total int64
	b := make([]byte, 4<<10)
	for !c.proven.Load() {
		n, err := r.Read(b)
		if n > 0 {
			n, failed := c.Write(b[:n])
			total += int64(n)
			if failed != nil {
				return total, failed
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
	c.mu.Lock()
	a, over := c.cur, c.over
	c.mu.Unlock()
	if over != nil {
		return total, over
	}
	n, err := a.data.ReadFrom(nudger{r, c, a})
	return total + n, err
}
