package portforward

import (
	"errors"
	"io"
	"strconv"
	"sync"
	"time"

	"fairlead/kube/fault"
	"fairlead/kube/spdy"
)

// An attempt is one try of a connection at one endpoint: a session, and when it is opened a pair of its streams. The
// connection's lock guards data, errs, opened and asking; streams that are set stay.
type attempt struct {
	f      *Forwarder
	ep     Endpoint
	s      *session
	data   *spdy.Stream // nil until it is opened
	errs   *spdy.Stream
	opened time.Time
	asking bool // request is under way; who asks sees to the end then
	// replied is when the runtime's acceptance was seen, which comes before it connects to the program.
	replied time.Time
	pace    pace
}

// A pace counts the bytes that came lately, to tell a cancelled download from a finished one: one goroutine reads while
// another closes.
type pace struct {
	mu    sync.Mutex
	bytes int
	since time.Time
}

// took counts n bytes.
func (p *pace) took(n int, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.since) > 100*time.Millisecond {
		p.bytes, p.since = 0, now
	}
	p.bytes += n
}

// busy says that much came a moment ago.
func (p *pace) busy(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytes > bulk && now.Sub(p.since) < time.Second
}

// request asks for the connection with its first bytes, all in one flight.
func (a *attempt) request(first []byte) ([]*spdy.Stream, error) {
	id := strconv.FormatUint(a.f.requests.Add(1), 10)
	headers := func(kind string) []spdy.Header {
		return []spdy.Header{{Name: "streamtype", Value: kind}, {Name: "port", Value: strconv.Itoa(a.ep.Port)}, {Name: "requestid", Value: id}}
	}
	return a.s.Open(first,
		spdy.Request{Headers: headers("error"), Fin: true, Keep: 4 * maxText},
		spdy.Request{Headers: headers("data")})
}

// An ending is how an attempt ended.
type ending struct {
	err error // io.EOF in order, else of package fault or a *CutError
	// unseen says that no program in a Pod can have seen a byte: none was sent, or the runtime says it never connected.
	unseen bool
}

// ending explains err, the end of the data stream. sent says that bytes of the client went out on it.
func (a *attempt) ending(err error, sent bool) ending {
	if a.data != nil {
		if text := a.errs.Text(); text != "" {
			told, never := runtimeError(a.ep, text)
			return ending{told, never}
		}
	}
	if err == io.EOF {
		return ending{err: io.EOF}
	}
	reset := new(spdy.ResetError)
	if errors.As(err, &reset) && reset.Status != spdy.RefusedStream {
		return ending{&CutError{Pod: a.ep.Pod, Namespace: a.ep.Namespace, Port: a.ep.Port, Err: err}, false}
	}
	unseen := !sent || errors.Is(err, spdy.ErrUnsent) || errors.As(err, &reset)
	if a.data == nil || !a.data.Progress().Replied {
		return ending{&fault.Unreachable{Server: a.f.up.route.base.Host, Err: err}, unseen}
	}
	return ending{&CutError{Pod: a.ep.Pod, Namespace: a.ep.Namespace, Port: a.ep.Port, Err: err}, unseen}
}

// close ends the attempt and decides what becomes of its session.
func (a *attempt) close() {
	if a.data == nil {
		a.f.giveBack(a.s, false)
		return
	}
	st := a.s.State()
	progress := a.data.Progress()
	alone := a.f.alone(a.s)
	stuck := st.Writing > patience || alone && (st.Writing > 0 || st.Mid && progress.Ended == nil)
	a.errs.Close() // always nil
	a.data.Close() // always nil
	if stuck {
		// A write that waits cannot be taken back, and a download that goes on has to be: only the end of the
		// connection does both.
		a.s.Close() // always nil
	}
	a.f.giveBack(a.s, !progress.Finished && (progress.Sent > small || a.pace.busy(time.Now())))
}
