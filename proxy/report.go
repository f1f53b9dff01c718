package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// ErrClientLeft is in the Report of a dial that was given up because its client closed the connection.
var ErrClientLeft = errors.New("the client left")

// ErrStopped is in the Report of a connection that was cut because the Server stopped.
var ErrStopped = errors.New("the proxy stopped")

// Protocol is the language in which a client asked.
type Protocol string

// The protocols of a Report.
const (
	SOCKS4  Protocol = "socks4" // or SOCKS4A
	SOCKS5  Protocol = "socks5"
	Connect Protocol = "connect" // HTTP CONNECT
	HTTP    Protocol = "http"    // one plain-HTTP request
)

// Stage is how far a connection came.
type Stage string

// The stages of a Report, in order.
const (
	StageRoute Stage = "route" // finding the rule; a refusal of the route ends here
	StageDial  Stage = "dial"  // reaching the target
	StageRelay Stage = "relay" // connected: bytes flow
)

// A Report says what became of one tunnel or one plain-HTTP request. There is one for each, when it ends; a failure ends
// it. A connection that never asks for a target (garbage, a port scan, a handshake out of time) has none.
type Report struct {
	ID       uint64 // the client connection's; the plain-HTTP requests of one connection share it
	Protocol Protocol
	Client   string // host:port
	Target   string // host:port, as asked for
	Rule     string // name of the rule that matched; empty when none did
	Stage    Stage  // where it ended
	Sent     int64  // bytes to the target
	Received int64  // bytes from the target
	Opened   time.Time
	Lasted   time.Duration
	Repeated bool // a plain-HTTP request that was sent once more, since its connection ended before an answer came
	// Err is nil for an orderly end and for a client that broke off while bytes flowed. It wraps ErrClientLeft,
	// ErrStopped, ErrCut, ErrIdle, ErrTooMany, a *RouteError, or what the Dialer or its connection said.
	Err error
	// Answer is what the client was told of a failure; zero when it was told none.
	Answer Answer
}

// Traffic is what a Server has carried since it was made.
type Traffic struct {
	Open     int64  // tunnels and plain-HTTP requests under way now
	Total    uint64 // tunnels and plain-HTTP requests there have been, the open ones included
	Sent     uint64 // bytes to targets
	Received uint64 // bytes from targets
}

// counters are Traffic while it grows.
type counters struct {
	open                  atomic.Int64
	total, sent, received atomic.Uint64
	records               records
}

// meter counts the bytes of one connection, and those of its Server with them.
type meter struct {
	sent, received atomic.Int64
	all            *counters
}

// send writes p to a target. Bytes are counted before they are written, so that a target that has received them, and a
// client that has its answer, sees them counted. What was not written is subtracted again.
func (m *meter) send(target io.Writer, p []byte) (int, error) {
	m.addSent(len(p))
	n, err := target.Write(p)
	if n < len(p) {
		m.addSent(n - len(p))
	}
	return n, err
}

func (m *meter) addSent(n int) {
	m.sent.Add(int64(n))
	m.all.sent.Add(uint64(n)) // of a negative n, too: the sum wraps around
}

// addReceived is called before bytes from a target are passed on.
func (m *meter) addReceived(n int) {
	m.received.Add(int64(n))
	m.all.received.Add(uint64(n))
}

// record is a Report under way. Rule and stage may be set from the goroutine of a dial that outlives its request.
type record struct {
	Report
	config      *Config
	meter       *meter
	sent, recvd int64 // of the meter, when the record began

	mutex sync.Mutex
	ended bool
}

// begin opens the record of one tunnel or request; finish must follow.
func begin(config *Config, m *meter, id uint64, protocol Protocol, client net.Addr, target Target) *record {
	m.all.open.Add(1)
	m.all.total.Add(1)
	rec := &record{
		Report: Report{ID: id, Protocol: protocol, Client: client.String(), Target: target.String(), Stage: StageRoute, Opened: time.Now()},
		config: config,
		meter:  m,
		sent:   m.sent.Load(),
		recvd:  m.received.Load(),
	}
	m.all.records.add(rec)
	return rec
}

func (r *record) setStage(stage Stage) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if !r.ended {
		r.Stage = stage
	}
}

func (r *record) setRule(name string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if !r.ended {
		r.Rule = name
	}
}

// repeat notes that a request is sent once more.
func (r *record) repeat() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if !r.ended {
		r.Repeated = true
	}
}

// recovered turns a panic of a Rule or a Dialer into an error. It is to be deferred.
func (r *record) recovered(err *error) {
	if p := recover(); p != nil {
		r.config.Log.Error().Uint64("conn", r.ID).Any("panic", p).Bytes("stack", debug.Stack()).Msg("dial panicked")
		*err = fmt.Errorf("internal error on the way to %s", r.Target)
	}
}

// finish hands the Report over; only the first call counts.
func (r *record) finish(err error) {
	r.mutex.Lock()
	if r.ended {
		r.mutex.Unlock()
		return
	}
	r.ended = true
	r.Err = err
	r.Sent, r.Received = r.meter.sent.Load()-r.sent, r.meter.received.Load()-r.recvd
	r.Lasted = time.Since(r.Opened)
	report := r.Report
	r.mutex.Unlock()
	r.meter.all.records.remove(r)
	r.meter.all.open.Add(-1)
	if r.config.Report != nil {
		r.config.Report(report)
	}
}
