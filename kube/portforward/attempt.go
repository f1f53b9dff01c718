package portforward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"fairlead/kube/fault"
	"fairlead/kube/spdy"
)

// An attempt is one try of a connection at one endpoint: a session and, once it is opened, a pair of its streams. The
// connection's lock guards data, errs, opened and requesting. Once set, the streams do not change.
type attempt struct {
	pool       *pool
	conn       *connState
	ep         Endpoint
	session    *session
	data       *spdy.Stream // nil until it is opened
	errs       *spdy.Stream
	opened     time.Time
	requesting bool // request is running; if the connection is closed meanwhile, its caller closes the attempt
	// acceptedAt is when the runtime's acceptance was seen, which comes before it connects to the program.
	acceptedAt time.Time
	pace       pace
}

// A pace counts the bytes that arrived recently, to distinguish a cancelled download from a finished one. It has a lock
// because one goroutine may close the connection while another reads.
type pace struct {
	mu    sync.Mutex
	bytes int
	since time.Time
}

// add counts n bytes.
func (p *pace) add(n int, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.since) > 100*time.Millisecond {
		p.bytes, p.since = 0, now
	}
	p.bytes += n
}

// isBusy reports whether many bytes arrived in the last second.
func (p *pace) isBusy(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytes > bulkTransfer && now.Sub(p.since) < time.Second
}

// request requests the stream pair and sends its first bytes, all in one write.
func (a *attempt) request(first []byte) ([]*spdy.Stream, error) {
	id := strconv.FormatUint(a.pool.requests.Add(1), 10)
	headers := func(kind string) []spdy.Header {
		return []spdy.Header{{Name: "streamtype", Value: kind}, {Name: "port", Value: strconv.Itoa(a.ep.Port)}, {Name: "requestid", Value: id}}
	}
	return a.session.Open(first,
		spdy.Request{Headers: headers("error"), Fin: true, Keep: 4 * maxText},
		spdy.Request{Headers: headers("data")})
}

var (
	errSilent    = fmt.Errorf("the session does not answer: %w", syscall.ETIMEDOUT)
	errNoReply   = fmt.Errorf("the runtime accepts no stream, though the session lives: %w", syscall.ETIMEDOUT)
	errNoVerdict = errors.New("the runtime ended the data and did not say how")
	errPodGone   = errors.New("the Pod is gone and has not answered")
	errPodEnds   = errors.New("the Pod ended without an answer")
)

// verdict waits for the runtime's report about a connection whose data stream ended with err, and returns how the
// connection ended. A FIN of the data stream proves nothing by itself: container runtimes send it first in any case, and
// then either the reason on the error stream or that stream's FIN (k8s.io/cri-streaming,
// httpStreamHandler.portForward).
func (a *attempt) verdict(ctx context.Context, err error) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	rtt := max(a.session.State().RTT, a.pool.roundTrip())
	a.errs.SetReadDeadline(time.Now().Add(responseTimeout(rtt)))
	waited := a.errs.WaitEnd(ctx)
	switch said := a.errs.Progress().Ended; {
	case said != nil:
		return io.EOF
	case ctx.Err() != nil:
		return ctx.Err()
	case waited == nil:
		return fmt.Errorf("%w: %v", errNoVerdict, a.session.Err())
	case errors.Is(waited, os.ErrDeadlineExceeded) && a.data.Progress().Received > 0:
		return io.EOF // a runtime that never ends its error streams
	}
	a.session.doubt("it does not say how a connection ended")
	return errNoVerdict
}

// accepted reports whether the runtime has accepted both streams. Each is handled by a worker of its own.
func (a *attempt) accepted() bool {
	data := a.data.Progress()
	return data.Replied && a.errs.Progress().Replied || data.Received > 0
}

// An ending is how an attempt ended.
type ending struct {
	err error // io.EOF for an orderly end, else an error of package fault or a *CutError
	// endpoint reports whether the endpoint failed, and not the session.
	endpoint bool
	// unseen reports whether no program in a Pod can have seen a byte: none was sent, or the runtime reports that it
	// never connected.
	unseen bool
	// unsent reports whether it is unseen only because no bytes were sent.
	unsent bool
}

// classifyEnd returns what err means. err is what verdict returned for the data stream, or why the attempt is given up.
// sent reports whether bytes of the client were sent on the attempt.
func (a *attempt) classifyEnd(err error, sent bool) ending {
	if a.data != nil {
		if text := a.errs.Text(); text != "" {
			reported, neverConnected := runtimeError(a.ep, text, a.session.secrets...)
			return ending{err: reported, endpoint: neverConnected, unseen: neverConnected}
		}
	}
	if errors.Is(err, io.EOF) {
		return ending{err: io.EOF}
	}
	cut := &CutError{Pod: a.ep.Pod, Namespace: a.ep.Namespace, Port: a.ep.Port, Err: err}
	if errors.Is(err, errPodGone) && !sent {
		absent := &fault.NotFound{Kind: fault.Pod, Name: a.ep.Pod, Namespace: a.ep.Namespace}
		return ending{err: absent, endpoint: true, unseen: true, unsent: true}
	}
	reset := new(spdy.ResetError)
	if errors.As(err, &reset) && reset.Status != spdy.RefusedStream {
		return ending{err: cut}
	}
	never := errors.Is(err, spdy.ErrUnsent) || errors.As(err, &reset)
	end := ending{err: cut, unseen: never || !sent, unsent: !never && !sent}
	if a.data == nil || !a.accepted() {
		end.err = &fault.Unreachable{Server: a.pool.up.route.base.Host, Err: err}
	}
	return end
}

// bytesUnderWay is the reason for retiring a session on which the runtime refused a connection after bytes were sent on
// it.
const bytesUnderWay = "bytes were under way to a program that was not there"

// close ends the attempt, and closes or releases its session.
func (a *attempt) close() {
	if a.data == nil {
		a.release(false)
		return
	}
	st := a.session.State()
	progress := a.data.Progress()
	alone := a.session.isAlone()
	stuck := st.Writing > minResponseTimeout || alone && (st.Writing > 0 || st.Mid && progress.Ended == nil)
	_ = a.errs.Close()
	_ = a.data.Close()
	progress.Sent = a.data.Progress().Sent // a running write may have added to it
	switch {
	case stuck:
		// A blocked write or a running download can be stopped only by closing the whole session.
		a.session.Close()
	case progress.Sent > 0 && a.errs.Text() != "":
		// The runtime no longer reads a stream that it has refused. Bytes that reach it later can hold up a worker of
		// the runtime's library, and with it every fifth stream of the session, while its pings are answered.
		a.session.doubt(bytesUnderWay)
	}
	unanswered := progress.Sent > 0 && progress.Received == 0
	if unanswered {
		a.markUnanswered()
	}
	a.release(!progress.Finished && (unanswered || progress.Sent > smallUpload || a.pace.isBusy(time.Now())))
}

// attach adds an attempt to its session, until release.
func (a *attempt) attach() {
	a.pool.mu.Lock()
	defer a.pool.mu.Unlock()
	a.session.attempts = append(a.session.attempts, a)
}

// markUnanswered records that bytes were sent on the attempt and none came back.
func (a *attempt) markUnanswered() {
	a.pool.mu.Lock()
	defer a.pool.mu.Unlock()
	a.session.unanswered = append(a.session.unanswered, a.errs)
}

// release returns the session that the attempt no longer needs. unsettled reports whether the session must not carry
// another connection before the runtime has ended this one.
func (a *attempt) release(unsettled bool) {
	a.pool.mu.Lock()
	defer a.pool.mu.Unlock()
	s := a.session
	if i := slices.Index(s.attempts, a); i >= 0 {
		s.attempts = slices.Delete(s.attempts, i, i+1)
	}
	s.draining = s.draining || unsettled
	s.release(time.Now())
}

// doubtLater doubts the session of an attempt that is given up, if that attempt is still not accepted by due: the node
// may only be busy.
func (a *attempt) doubtLater(due time.Time) {
	a.pool.mu.Lock()
	defer a.pool.mu.Unlock()
	if a.session.suspected {
		return
	}
	a.session.suspected = a.pool.spawn(func(ctx context.Context) {
		accepted := a.acceptedBy(ctx, due)
		a.pool.mu.Lock()
		a.session.suspected = false
		a.pool.mu.Unlock()
		if !accepted {
			a.session.doubt("it accepts no stream")
		}
	})
}

// acceptedBy waits until the attempt is accepted or due has passed, and reports whether it was accepted. It also
// returns true once that no longer matters, because the session or ctx has ended.
func (a *attempt) acceptedBy(ctx context.Context, due time.Time) bool {
	ticker := time.NewTicker(probeInterval)
	defer ticker.Stop()
	for {
		switch {
		case a.accepted() || a.session.Err() != nil:
			return true
		case time.Now().After(due) && a.peerHasRead(due):
			return false
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return true
		}
	}
}

// explainEnd waits for the runtime's verdict and returns what the end of an attempt means.
func (a *attempt) explainEnd(ctx context.Context, err error) ending {
	wrote := a.conn.hasWritten()
	end := a.classifyEnd(a.verdict(ctx, err), wrote)
	if !errors.Is(end.err, io.EOF) || !wrote || a.data.Progress().Received > 0 {
		return end
	}
	// The Pod has sent nothing. If it is terminating, this is not an orderly end.
	a.conn.mu.Lock()
	halfClosed := !a.conn.halfClosedAt.IsZero()
	a.conn.mu.Unlock()
	if !halfClosed && a.pool.mayHaveEnded(ctx, a.ep) {
		end.err = &CutError{Pod: a.ep.Pod, Namespace: a.ep.Namespace, Port: a.ep.Port, Err: errPodEnds}
	}
	return end
}
