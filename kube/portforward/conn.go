package portforward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"fairlead/kube/fault"
	"fairlead/kube/spdy"
)

const (
	// keep bounds the first bytes that are kept to be sent once more, should the runtime say that it never connected.
	keep = 64 << 10
	// retries bounds how often a connection goes on after the endpoints it was given are used up.
	retries = 2
	// lost is how long a session may be silent that owes an answer before its connections end.
	lost = 15 * time.Second
)

// A conn is a connection with a port of a Pod.
type conn struct {
	f *Forwarder

	// opening is held while an attempt is opened or replaced, and, while one may still be replaced, while bytes are
	// written. It is taken before mu.
	opening sync.Mutex
	// reading is held by the one who reads.
	reading sync.Mutex
	proven  atomic.Bool   // the Pod has answered: the attempt is the last
	begun   chan struct{} // closed when the first attempt is opened
	once    sync.Once     // for that
	// life ends with Close. It is kept because the connection dials anew long after the context of its Dial.
	life context.Context
	quit context.CancelFunc

	mu       sync.Mutex
	rest     []Endpoint // not yet tried
	renew    Renew      // nil once it was asked
	again    int
	cur      *attempt
	kept     []byte
	spent    bool  // more was written than is kept
	told     error // why there is no connection, as far as is known
	settled  bool  // more may be written than is kept: the attempt was accepted and not refused
	over     error
	deadline time.Time // the owner's, for reads
	half     time.Time // when the client's half-close came
	finished bool      // and when it was passed on
	heard    time.Time // when the last byte came
	wake     time.Time // when the reader has to look at the time again
}

func newConn(f *Forwarder, endpoints []Endpoint, renew Renew) *conn {
	c := &conn{f: f, rest: endpoints, renew: renew, begun: make(chan struct{})}
	c.life, c.quit = context.WithCancel(context.Background())
	return c
}

// advance takes a session with the next endpoint. cause is why there is need of a next.
func (c *conn) advance(ctx context.Context, cause error) error {
	for {
		c.mu.Lock()
		c.told = telling(c.told, cause)
		told := c.told
		if c.over != nil {
			c.mu.Unlock()
			return c.over
		}
		if len(c.rest) == 0 {
			renew := c.renew
			c.renew = nil
			c.mu.Unlock()
			if renew == nil || !c.renewed(renew(ctx, cause)) {
				return told
			}
			continue
		}
		ep := c.rest[0]
		c.rest = c.rest[1:]
		c.mu.Unlock()
		if err := c.f.targets.refusal(ep, time.Now()); err != nil {
			cause = err
			continue
		}
		s, err := c.f.acquire(ctx, ep)
		if err == nil {
			return c.use(&attempt{f: c.f, ep: ep, s: s})
		}
		if ctx.Err() != nil || !elsewhere(err) {
			return err
		}
		cause = err
	}
}

// telling is the reason that says more of a target. That one of its Pods is gone says nothing of the others.
func telling(before, now error) error {
	var absent *fault.NotFound
	if before != nil && errors.As(now, &absent) && absent.Kind == fault.Pod {
		return before
	}
	return now
}

// renewed takes more endpoints. It says false if there are none.
func (c *conn) renewed(endpoints []Endpoint) bool {
	endpoints = slices.DeleteFunc(slices.Clone(endpoints), func(ep Endpoint) bool { return ep.check() != nil })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rest, c.again = endpoints, 0
	return len(endpoints) > 0
}

// use makes a the attempt, unless the connection was closed meanwhile.
func (c *conn) use(a *attempt) error {
	c.mu.Lock()
	over := c.over
	if over == nil {
		c.cur, c.settled, c.wake = a, false, time.Time{}
	}
	c.mu.Unlock()
	if over != nil {
		a.close()
	}
	return over
}

// open opens the attempt, if it is not, with the client's first bytes. opening is held.
func (c *conn) open(ctx context.Context, first []byte) (*attempt, error) {
	for {
		c.mu.Lock()
		a, over := c.cur, c.over
		if over != nil || a.data != nil {
			c.mu.Unlock()
			return a, over
		}
		a.asking = true
		c.mu.Unlock()
		streams, err := a.request(first)
		if over := c.asked(a, streams); over != nil {
			return nil, over
		}
		if err == nil {
			return a, nil
		}
		if err := c.replace(ctx, a, a.ending(err, len(first) > 0)); err != nil {
			return nil, c.end(err)
		}
	}
}

// asked takes note of what a request gave. If the connection was closed meanwhile, it ends the attempt.
func (c *conn) asked(a *attempt, streams []*spdy.Stream) error {
	c.mu.Lock()
	a.asking = false
	if len(streams) > 0 {
		a.errs, a.data, a.opened = streams[0], streams[1], time.Now()
		c.once.Do(func() { close(c.begun) })
	}
	closed := c.cur != a
	over := c.over
	c.mu.Unlock()
	if !closed {
		return nil
	}
	a.close()
	return over
}

// replace goes on to another attempt after a ended, if no program can have seen a byte, else gives the reason of the end.
// The new attempt is not open. opening is held.
func (c *conn) replace(ctx context.Context, a *attempt, end ending) error {
	now := time.Now()
	refused := end.unseen && a.data != nil && a.errs.Text() != ""
	if refused {
		if !a.replied.IsZero() {
			c.f.targets.late(now.Sub(a.replied))
		}
		c.f.targets.refused(a.ep, end.err, now)
	}
	c.mu.Lock()
	if c.cur != a || c.over != nil {
		over := c.over
		c.mu.Unlock()
		return over
	}
	if !end.unseen || c.spent || c.proven.Load() {
		c.mu.Unlock()
		return end.err
	}
	if !refused && c.again < retries {
		// The session failed and not the endpoint.
		c.again++
		c.rest = append([]Endpoint{a.ep}, c.rest...)
	}
	c.cur = nil
	c.mu.Unlock()
	a.close()
	c.f.redialled()
	return c.advance(ctx, end.err)
}

// attempt gives the opened attempt to a reader. It gives the client's first bytes a moment to come along.
func (c *conn) attempt() (*attempt, error) {
	if !c.isBegun() {
		timer := time.NewTimer(c.firstWrite())
		defer timer.Stop()
		select {
		case <-c.begun:
		case <-timer.C:
		case <-c.life.Done():
		}
	}
	c.mu.Lock()
	a, over := c.cur, c.over
	opened := a != nil && a.data != nil
	c.mu.Unlock()
	if over != nil || opened {
		return a, over
	}
	ctx, cancel := c.bounded()
	defer cancel()
	c.opening.Lock()
	defer c.opening.Unlock()
	return c.reopen(ctx)
}

// firstWrite is how long the opening waits for the client's first bytes to go with it.
func (c *conn) firstWrite() time.Duration {
	c.mu.Lock()
	a := c.cur
	c.mu.Unlock()
	if a == nil {
		return 0
	}
	return c.f.targets.firstWrite(a.ep, time.Now())
}

func (c *conn) isBegun() bool {
	select {
	case <-c.begun:
		return true
	default:
		return false
	}
}

// reopen opens the attempt with all that was written so far. opening is held.
func (c *conn) reopen(ctx context.Context) (*attempt, error) {
	c.mu.Lock()
	kept := c.kept
	c.mu.Unlock()
	return c.open(ctx, kept)
}

// bounded is a context for dialling anew: the one of Dial is long over.
func (c *conn) bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.life, c.f.cfg.Dial)
}

// Opened says whether the target may be taken for connected: at once if it answered lately, else when it was accepted and
// no refusal came within a grace, or a byte came. Otherwise it gives the refusal, after the other endpoints were tried.
func (c *conn) Opened(ctx context.Context) error {
	c.reading.Lock()
	defer c.reading.Unlock()
	for {
		c.mu.Lock()
		a, over := c.cur, c.over
		c.mu.Unlock()
		if over != nil {
			return over
		}
		if c.proven.Load() || a != nil && c.f.targets.proven(a.ep, time.Now()) {
			return nil
		}
		c.opening.Lock()
		a, err := c.reopen(ctx)
		c.opening.Unlock()
		if err != nil {
			return err
		}
		done, err := c.confirm(ctx, a)
		if done {
			return err
		}
	}
}

// confirm waits for a sign that a is connected. It is not done when another attempt has taken a's place.
func (c *conn) confirm(ctx context.Context, a *attempt) (done bool, err error) {
	rtt := a.s.State().RTT
	a.data.SetReadDeadline(a.opened.Add(deadline(rtt)))
	err = a.data.WaitReply(ctx)
	if err == nil && a.data.Progress().Ended == nil && a.data.Progress().Received == 0 {
		a.replied = time.Now()
		slow := max(0, a.replied.Sub(a.opened)-c.f.roundTrip())
		a.data.SetReadDeadline(a.replied.Add(max(c.f.targets.grace(c.f.cfg.Grace), min(2*slow, maxGrace))))
		err = a.data.WaitReadable(ctx)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return true, nil
		}
	}
	if ctx.Err() != nil {
		return true, fmt.Errorf("port-forward to Pod %s/%s: %w", a.ep.Namespace, a.ep.Pod, ctx.Err())
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if c.wrote() {
			return true, nil // whoever reads will find out
		}
		c.f.silent(a.s)
		a.s.CloseWith(errSilent)
		err = errSilent
	}
	if err == nil {
		progress := a.data.Progress()
		if err = progress.Ended; progress.Received > 0 || err == nil {
			return true, nil
		}
	}
	end := a.ending(err, c.wrote())
	if end.err == io.EOF {
		return true, nil
	}
	c.opening.Lock()
	defer c.opening.Unlock()
	if err := c.replace(ctx, a, end); err != nil {
		return true, c.end(err)
	}
	return false, nil
}

var errSilent = fmt.Errorf("the session does not answer: %w", syscall.ETIMEDOUT)

func (c *conn) wrote() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spent || len(c.kept) > 0
}

// end makes err the answer of every later call.
func (c *conn) end(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over == nil {
		c.over = err
	}
	return c.over
}

// elsewhere says that another endpoint may do better.
func elsewhere(err error) bool {
	var (
		login       *fault.Login
		forbidden   *fault.Forbidden
		unreachable *fault.Unreachable
		answered    *refusal
	)
	switch {
	case errors.As(err, &login), errors.As(err, &forbidden):
		return false
	case errors.As(err, &unreachable):
		return errors.As(err, &answered) // the API server is there, the Pod's node is not
	}
	return true
}

// CloseWrite passes the client's end on when the Pod has been quiet for Config.Quiet: container runtimes take it for the
// end of both directions, and would cut off what the Pod still has to say.
func (c *conn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over != nil {
		return c.over
	}
	if c.half.IsZero() {
		c.half = time.Now()
		c.nudge()
	}
	return nil
}

// nudge makes the reader look at the time again. mu is held.
func (c *conn) nudge() {
	c.wake = time.Time{}
	if c.cur != nil && c.cur.data != nil {
		c.cur.data.SetReadDeadline(time.Unix(1, 0))
	}
}

// Close ends the connection.
func (c *conn) Close() error {
	c.mu.Lock()
	a := c.cur
	c.cur = nil
	if c.over == nil || a != nil {
		c.over = net.ErrClosed
	}
	asking := a != nil && a.asking
	c.mu.Unlock()
	c.quit()
	if a != nil && !asking {
		a.close()
	}
	return nil
}

// SetReadDeadline makes reads end with os.ErrDeadlineExceeded at t.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	c.nudge()
	return nil
}

// SetWriteDeadline is not supported: a write cut short would end the session.
func (c *conn) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

// SetDeadline sets the read deadline, and says that there is none for writes.
func (c *conn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t) //nolint:errcheck // always nil
	return os.ErrNoDeadline
}

// LocalAddr is a name, not an address: there is none on this side.
func (c *conn) LocalAddr() net.Addr { return address("port-forward") }

// RemoteAddr names the Pod and port.
func (c *conn) RemoteAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cur == nil {
		return address("")
	}
	ep := c.cur.ep
	return address(fmt.Sprintf("%s/%s:%d", ep.Namespace, ep.Pod, ep.Port))
}

type address string

func (address) Network() string  { return "pod" }
func (a address) String() string { return string(a) }
