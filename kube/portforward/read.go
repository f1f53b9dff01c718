package portforward

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Read reads what the Pod sends: io.EOF is its orderly end, everything else a connection that was cut. It is also what
// passes the client's half-close on in time, and finds out that a session is dead.
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	return c.next(p)
}

// WaitRead waits until Read would answer at once. It needs no buffer; what there is to say Read says.
func (c *conn) WaitRead() {
	c.reading.Lock()
	defer c.reading.Unlock()
	_, _ = c.next(nil) // Read gives it again
}

// copyBuffer is what a copy holds while bytes are on the move.
const copyBuffer = 32 << 10

// WriteTo copies what the Pod sends to w until its end. It holds a buffer only while there is something to copy.
func (c *conn) WriteTo(w io.Writer) (int64, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	var total int64
	for {
		_, err := c.next(nil)
		if err == nil {
			var n int
			n, err = c.copyOnce(w)
			total += int64(n)
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

func (c *conn) copyOnce(w io.Writer) (int, error) {
	b := c.pool.buffers.lend()
	defer c.pool.buffers.Put(b)
	n, err := c.next(b[:])
	if n > 0 {
		if written, failed := w.Write(b[:n]); failed != nil {
			return written, failed
		}
	}
	return n, err
}

// A bufferPool lends the buffers of copies.
type bufferPool struct{ sync.Pool }

func (p *bufferPool) lend() *[copyBuffer]byte {
	if b, ok := p.Get().(*[copyBuffer]byte); ok {
		return b
	}
	return new([copyBuffer]byte)
}

// next reads into p, or waits until it could if p is nil. reading is held.
func (c *conn) next(p []byte) (int, error) {
	for {
		a, err := c.attempt()
		if err != nil {
			return 0, err
		}
		given, err := c.due(a, time.Now())
		if err != nil {
			return 0, err
		}
		n := 0
		switch {
		case given != nil:
			err = given
		case p == nil:
			if err = a.data.WaitReadable(context.Background()); err == nil {
				return 0, nil
			}
		default:
			if n, err = a.data.Read(p); n > 0 {
				c.came(a, n)
				return n, nil
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		if err := c.ended(a, err); err != nil {
			return 0, err
		}
	}
}

// came takes note of bytes from the Pod.
func (c *conn) came(a *attempt, n int) {
	now := time.Now()
	a.pace.took(n, now)
	c.prove(a, now)
	c.mu.Lock()
	c.heard = now
	c.mu.Unlock()
}

// prove marks that the Pod has answered.
func (c *conn) prove(a *attempt, now time.Time) {
	if c.proven.Load() {
		return
	}
	c.proven.Store(true)
	if c.pool.targets.answered(a.ep, c.wrote(), now) {
		c.pool.proved(now)
	}
	c.mu.Lock()
	c.kept, c.rest, c.renew, c.told = nil, nil, nil, nil // there is no next attempt
	c.mu.Unlock()
}

// ended explains the end of an attempt, or goes on to another.
func (c *conn) ended(a *attempt, err error) error {
	if c.life.Err() != nil {
		return net.ErrClosed
	}
	end := c.ending(c.life, a, err)
	if c.life.Err() != nil {
		return net.ErrClosed
	}
	if end.err == io.EOF {
		c.prove(a, time.Now())
		return io.EOF
	}
	if c.proven.Load() {
		return c.end(end.err)
	}
	ctx, cancel := c.bounded()
	defer cancel()
	c.opening.Lock()
	defer c.opening.Unlock()
	if err := c.replace(ctx, a, end); err != nil {
		return c.end(err)
	}
	_, err = c.reopen(ctx)
	return err
}

// ending explains the end of an attempt, once the runtime has given its verdict.
func (c *conn) ending(ctx context.Context, a *attempt, err error) ending {
	wrote := c.wrote()
	end := a.ending(a.verdict(ctx, err), wrote)
	if end.err != io.EOF || !wrote || a.data.Progress().Received > 0 {
		return end
	}
	// Nothing was answered. From a Pod that ends, that is no orderly end.
	c.mu.Lock()
	halfClosed := !c.half.IsZero()
	c.mu.Unlock()
	if !halfClosed && c.pool.mayHaveEnded(ctx, a.ep) {
		end.err = &CutError{Pod: a.ep.Pod, Namespace: a.ep.Namespace, Port: a.ep.Port, Err: errPodEnds}
	}
	return end
}

// due does what its time has come for, and sets the stream's read deadline to when to look again. given is why the attempt
// is to be given up, nil if it is not.
func (c *conn) due(a *attempt, now time.Time) (given, err error) {
	c.mu.Lock()
	if c.over != nil {
		defer c.mu.Unlock()
		return nil, c.over
	}
	if !c.deadline.IsZero() && !now.Before(c.deadline) {
		c.mu.Unlock()
		return nil, os.ErrDeadlineExceeded
	}
	if now.Before(c.wake) {
		c.mu.Unlock()
		return nil, nil
	}
	fin := c.finish(now)
	wake, given := c.health(a, now)
	if given != nil {
		c.mu.Unlock()
		return given, nil
	}
	if !c.half.IsZero() && !c.finished {
		wake = earlier(wake, later(c.half, c.heard).Add(c.pool.cfg.Quiet))
	}
	c.wake = earlier(wake, c.deadline)
	a.data.SetReadDeadline(c.wake)
	c.mu.Unlock()
	if fin {
		a.data.CloseWrite() // the read that follows explains a session's end
	}
	return nil, nil
}

// finish says whether the client's half-close is to be passed on now. mu is held.
func (c *conn) finish(now time.Time) bool {
	if c.half.IsZero() || c.finished || now.Sub(later(c.half, c.heard)) < c.pool.cfg.Quiet {
		return false
	}
	c.finished = true
	return true
}

// health looks whether the session, and the Pod, is alive. It returns when to look again, or why the attempt is to be given
// up. A session whose peer takes no more bytes is not dead: its pings wait behind what a program in the Pod does not
// read. mu is held.
func (c *conn) health(a *attempt, now time.Time) (time.Time, error) {
	if !a.accepted() {
		return c.unaccepted(a, now)
	}
	wake := c.sessionHealth(a, now)
	asked := later(a.opened, time.Unix(0, c.sentAt.Load()))
	if a.s.doubtful.Load() && a.data.Progress().Sent > 0 && c.heard.Before(asked) {
		switch due := asked.Add(jammed(c.pool.roundTrip(), a.s.State().Proving)); {
		case now.Before(due):
			wake = earlier(wake, due)
		case a.reads(due):
			return time.Time{}, errNoReply
		default:
			wake = earlier(wake, now.Add(probeEvery))
		}
	}
	if a.data.Progress().Received > 0 {
		return wake, nil
	}
	switch since, gone := c.pool.unlisted(a.ep, now); {
	case since.IsZero():
	case !gone:
		wake = earlier(wake, now.Add(askAgain))
	default:
		due := later(since, a.opened).Add(lastWord)
		if !now.Before(due) {
			return time.Time{}, errPodGone
		}
		wake = earlier(wake, due)
	}
	return wake, nil
}

// unaccepted is health of an attempt that the runtime has not accepted yet, which takes it no time when it is well. Its
// library can hold up some of a session's streams for good and go on with others, so what else comes proves nothing. A
// probe does: once it is answered, the request for the streams was read. Before that it may wait behind what others
// upload, or the path may be interrupted.
func (c *conn) unaccepted(a *attempt, now time.Time) (time.Time, error) {
	st := a.s.State()
	rtt := max(st.RTT, c.pool.roundTrip())
	// A node that is busy is given more time by each attempt, and all there is by the last.
	due := a.opened.Add(replyWithin(rtt) << c.again)
	if now.Before(due) {
		return due, nil
	}
	last := c.again == retries && len(c.rest) == 0
	look := now.Add(max(rtt, 50*time.Millisecond))
	sent := len(c.kept) > 0 || c.spent
	waited := now.Sub(a.opened)
	switch {
	case !st.Proved.Before(a.opened):
		a.s.giveUp("it accepts no stream")
		due := a.opened.Add(jammed(rtt, st.Proving))
		switch {
		case !sent && !last:
			a.doubtLater(due)
			return time.Time{}, errNoReply
		case now.Before(due):
			return due, nil
		case !a.reads(due):
			return now.Add(probeEvery), nil
		}
		a.s.doubt("it accepts no stream")
		if !sent && waited < unaccepted {
			return look, nil
		}
		return time.Time{}, errNoReply
	case st.Probed.Before(a.opened):
		a.s.Probe()
		return look, nil
	case waited < deadline(rtt):
		return look, nil
	case st.Heard.After(a.opened) && waited < unaccepted:
		return look, nil
	case st.Heard.After(a.opened):
		a.s.doubt("it accepts no stream")
		return time.Time{}, errNoReply
	case (st.Writing > 0 || st.Unheard > small) && waited < unaccepted:
		return earlier(c.sessionHealth(a, now), a.opened.Add(unaccepted)), nil
	case st.Writing > 0 || st.Unheard > small:
		// What others upload is stuck, which is no sign of a dead session, and may last.
		a.s.giveUp("it accepts no stream")
		return time.Time{}, errNoReply
	}
	a.s.markSilent()
	if sent && waited < unaccepted {
		return look, nil
	}
	a.s.CloseWith(errSilent)
	return now.Add(deadline(rtt)), nil
}

// probeEvery is how often it is looked whether a probe was answered.
const probeEvery = 50 * time.Millisecond

// reads reports whether a's session was read as far as it was written by due, and asks for a sign of that if need be. A
// machine, or a node, that has no time for anything else has none for the sign.
func (a *attempt) reads(due time.Time) bool {
	st := a.s.State()
	if st.Probed.Before(due) {
		a.s.Probe()
	}
	return !st.Proved.Before(due) || time.Since(due) > unaccepted
}

// replyWithin is how long a session that is well may take to accept a stream.
func replyWithin(rtt time.Duration) time.Duration { return 500*time.Millisecond + 4*rtt }

// jammed is how long a connection waits to be accepted, or answered on a doubtful session, while pings are answered. Those of
// a probe took proving: accepting a stream is more work for a runtime, and takes a busy one longer by far.
func jammed(rtt, proving time.Duration) time.Duration {
	return max(2*time.Second, replyWithin(2*rtt), min(busier*proving, unaccepted))
}

// busier is how much longer a busy runtime may take to accept a stream than to answer a ping.
const busier = 10

// sessionHealth looks whether the session is alive, and returns when to look again.
func (c *conn) sessionHealth(a *attempt, now time.Time) time.Time {
	st := a.s.State()
	limit := deadline(st.RTT)
	stuck := st.Writing > 0 || st.Unheard > small
	switch silent := age(now, st.Heard); {
	case st.Pinging > lost && silent > lost && !stuck:
		a.s.CloseWith(errSilent)
	case st.Pinging >= limit:
		a.s.markSilent()
		return now.Add(limit)
	case st.Pinging > 0:
		return now.Add(limit - st.Pinging + time.Millisecond)
	case silent >= fresh, st.Unheard > 0 && silent >= limit:
		a.s.Ping()
		return now.Add(limit + time.Millisecond)
	case st.Unheard > 0:
		return now.Add(limit - silent + time.Millisecond)
	}
	if silent := age(now, st.Heard); silent >= patience {
		return now.Add(fresh - silent)
	}
	return now.Add(patience)
}

func earlier(a, b time.Time) time.Time {
	if b.IsZero() || !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
