package proxy

import (
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"time"
)

// A record is a Connection in progress. It holds what the Server knows about the connection, and delivers its events. A
// dial may outlive its request and still call the record's methods: they change nothing once the record has ended.
type record struct {
	config      *Config
	meter       *meter
	open        *records
	sent, recvd int64 // the counts of meter when the record began

	delivery sync.Mutex // held while an event is delivered, so that events come one at a time and in order
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

// setStage records how far the connection has got.
func (r *record) setStage(stage Stage) { r.change(func() { r.Stage = stage }) }

// setRule records the rule for the target. If err is not nil, it ended the search, and the rule is the one that
// returned it.
func (r *record) setRule(name string, err error) {
	note := func() { r.Rule = name }
	if err != nil {
		r.change(note)
		return
	}
	r.report(EventRouted, note)
}

// setRepeated records that a request is sent a second time.
func (r *record) setRepeated() { r.change(func() { r.Repeated = true }) }

// connected reports that the client has got a positive answer, or will get it next.
func (r *record) connected() { r.report(EventAnswered, func() { r.Stage = StageRelay }) }

// failed reports the answer to a failure.
func (r *record) failed(err error, answer Answer) {
	r.report(EventAnswered, func() { r.Err, r.Answer = err, answer })
}

// finish ends the record. Calls after the first do nothing.
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

// bytes returns how many bytes have been sent to the target and received from it since the record began.
func (r *record) bytes() (sent, received int64) {
	return r.meter.sent.Load() - r.sent, r.meter.received.Load() - r.recvd
}

// change applies a change without an event. It returns false if the record has ended.
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

// survive keeps a panic of Config.Events from ending its connection or the process. It must be deferred.
func (r *record) survive() {
	if p := recover(); p != nil {
		r.config.Log.Error().Uint64("conn", r.ID).Any("panic", p).Bytes("stack", debug.Stack()).Msg("events panicked")
	}
}

// recovered turns a panic of a Rule or a Dialer into an error. It must be deferred.
func (r *record) recovered(err *error) {
	if p := recover(); p != nil {
		r.config.Log.Error().Uint64("conn", r.ID).Any("panic", p).Bytes("stack", debug.Stack()).Msg("dial panicked")
		*err = fmt.Errorf("internal error on the way to %s", r.Target)
	}
}

// records are the tunnels and requests in progress. The zero value is ready to use.
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

// reportProgress reports the bytes of open connections while bytes move, until ended is closed. It sleeps while none
// move.
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
		select { // the report includes everything up to now
		case <-v.progress:
		default:
		}
		for _, rec := range v.records.all() {
			rec.progressed()
		}
	}
}
