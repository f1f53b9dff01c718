package proxy

import (
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"time"
)

// A record is a Connection under way: it is what a Server knows of it, and where its events come from. Its methods may
// be called from the goroutine of a dial that outlives its request: once it has ended they change nothing.
type record struct {
	config      *Config
	meter       *meter
	open        *records
	sent, recvd int64 // of the meter, when the record began

	delivery sync.Mutex // held while an event is delivered: they come one at a time, in order
	reported int64      // bytes of the last event

	mutex sync.Mutex
	Connection
	ended bool
}

// begin opens the record of one tunnel or request; finish must follow.
func (c *connection) begin(config *Config, protocol Protocol, client net.Addr, target Target) *record {
	c.server.traffic.open.Add(1)
	c.server.traffic.total.Add(1)
	rec := &record{
		Connection: Connection{ID: c.id, Protocol: protocol, Client: client.String(), Target: target.String(), Stage: StageRoute, Opened: time.Now()},
		config:     config,
		meter:      c.meter,
		open:       &c.records,
		sent:       c.meter.sent.Load(),
		recvd:      c.meter.received.Load(),
	}
	rec.open.add(rec)
	rec.report(EventOpened, func() {})
	return rec
}

// setStage notes how far the connection is.
func (r *record) setStage(stage Stage) { r.change(func() { r.Stage = stage }) }

// setRule notes the rule for the target. With an error that ended the search, it is the one that caused it.
func (r *record) setRule(name string, err error) {
	note := func() { r.Rule = name }
	if err != nil {
		r.change(note)
		return
	}
	r.report(EventRouted, note)
}

// repeat notes that a request is sent once more.
func (r *record) repeat() { r.change(func() { r.Repeated = true }) }

// connected reports that the client has been, or is to be, told of success.
func (r *record) connected() { r.report(EventAnswered, func() { r.Stage = StageRelay }) }

// failed reports the answer to a failure.
func (r *record) failed(err error, answer Answer) {
	r.report(EventAnswered, func() { r.Err, r.Answer = err, answer })
}

// finish ends the record; only the first call counts.
func (r *record) finish(err error) {
	r.report(EventClosed, func() {
		r.Err, r.Lasted, r.ended = err, time.Since(r.Opened), true
		r.Sent, r.Received = r.bytes()
		r.open.remove(r)
		r.meter.serving.server.traffic.open.Add(-1)
	})
}

// progressed reports bytes that have moved since the last event.
func (r *record) progressed() {
	sent, received := r.bytes()
	r.delivery.Lock()
	moved := sent+received != r.reported
	r.delivery.Unlock()
	if moved {
		r.report(EventBytes, func() {})
	}
}

// bytes returns what has gone to the target and come from it since the record began.
func (r *record) bytes() (sent, received int64) {
	return r.meter.sent.Load() - r.sent, r.meter.received.Load() - r.recvd
}

// change applies a change that is no event. It returns false once the record has ended.
func (r *record) change(apply func()) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.ended {
		return false
	}
	apply()
	return true
}

// report applies a change and delivers its event.
func (r *record) report(kind EventKind, apply func()) {
	r.delivery.Lock()
	defer r.delivery.Unlock()
	if !r.change(apply) || r.config.Events == nil {
		return
	}
	now := r.describe()
	r.reported = now.Sent + now.Received
	defer r.survive()
	r.config.Events(Event{kind, now})
}

// describe returns the Connection as it is now.
func (r *record) describe() Connection {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	now := r.Connection
	if !r.ended {
		now.Lasted = time.Since(now.Opened)
		now.Sent, now.Received = r.bytes()
	}
	return now
}

// survive keeps a panic of Config.Events from ending its connection, or the process. It is to be deferred.
func (r *record) survive() {
	if p := recover(); p != nil {
		r.config.Log.Error().Uint64("conn", r.ID).Any("panic", p).Bytes("stack", debug.Stack()).Msg("events panicked")
	}
}

// recovered turns a panic of a Rule or a Dialer into an error. It is to be deferred.
func (r *record) recovered(err *error) {
	if p := recover(); p != nil {
		r.config.Log.Error().Uint64("conn", r.ID).Any("panic", p).Bytes("stack", debug.Stack()).Msg("dial panicked")
		*err = fmt.Errorf("internal error on the way to %s", r.Target)
	}
}

// records are the tunnels and requests under way. The zero value is ready.
type records struct {
	mutex sync.Mutex
	open  map[*record]struct{}
}

func (r *records) add(rec *record) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.open == nil {
		r.open = make(map[*record]struct{})
	}
	r.open[rec] = struct{}{}
}

func (r *records) remove(rec *record) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	delete(r.open, rec)
}

func (r *records) all() []*record {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	all := make([]*record, 0, len(r.open))
	for rec := range r.open {
		all = append(all, rec)
	}
	return all
}

// reportProgress reports the bytes of open connections while they move, until ended. It sleeps while none do.
func (v *serving) reportProgress(ended <-chan struct{}) {
	for {
		select {
		case <-v.progress:
		case <-ended:
			return
		}
		pause := time.NewTimer(v.server.config.Load().Progress)
		select {
		case <-pause.C:
		case <-ended:
			pause.Stop()
			return
		}
		if v.server.config.Load().Progress <= 0 {
			continue
		}
		select { // what has moved by now is reported now
		case <-v.progress:
		default:
		}
		for _, rec := range v.records.all() {
			rec.progressed()
		}
	}
}
