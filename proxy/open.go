package proxy

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// ErrCut is in the Report of a connection that CloseConnections cut.
var ErrCut = errors.New("the connection was cut by the user")

// A Connection is a tunnel or a plain-HTTP request that is under way.
type Connection struct {
	ID       uint64 // as in its Report
	Protocol Protocol
	Client   string // host:port
	Target   string // host:port, as asked for
	Rule     string // name of the rule that matched; empty as long as none has
	Stage    Stage  // how far it is
	Since    time.Time
	Sent     int64 // bytes to the target
	Received int64 // bytes from the target
}

// Connections returns what is under way, the oldest first.
func (s *Server) Connections() []Connection {
	var open []Connection
	for _, r := range s.traffic.records.all() {
		if connection, ok := r.connection(); ok {
			open = append(open, connection)
		}
	}
	slices.SortFunc(open, func(a, b Connection) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
	return open
}

// CloseConnections cuts every client connection there is, those that wait for nothing included, and returns how many
// tunnels and plain-HTTP requests were under way. Their reports say ErrCut. Who connects afterwards is served as ever.
func (s *Server) CloseConnections() int {
	open := len(s.traffic.records.all())
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for v := range s.servings {
		v.cutAll()
	}
	return open
}

// cutAll ends the present batch of connections and begins the next.
func (v *serving) cutAll() {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	v.cutBatch(ErrCut)
	v.batch, v.cutBatch = context.WithCancelCause(v.ending)
}

func (s *Server) register(v *serving) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.servings[v] = struct{}{}
}

func (s *Server) unregister(v *serving) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.servings, v)
	v.cutBatch(nil)
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

// connection describes a record that has not ended.
func (r *record) connection() (Connection, bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return Connection{
		ID: r.ID, Protocol: r.Protocol, Client: r.Client, Target: r.Target, Rule: r.Rule, Stage: r.Stage, Since: r.Opened,
		Sent: r.meter.sent.Load() - r.sent, Received: r.meter.received.Load() - r.recvd,
	}, !r.ended
}
