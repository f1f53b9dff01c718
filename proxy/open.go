package proxy

import (
	"cmp"
	"context"
	"slices"
)

// Connections returns what is under way, the oldest first.
func (s *Server) Connections() []Connection {
	var open []Connection
	for _, r := range s.open() {
		open = append(open, r.describe())
	}
	slices.SortFunc(open, func(a, b Connection) int {
		return cmp.Or(a.Opened.Compare(b.Opened), cmp.Compare(a.ID, b.ID))
	})
	return open
}

// open returns the records of what is under way.
func (s *Server) open() []*record {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var open []*record
	for v := range s.servings {
		open = append(open, v.records.all()...)
	}
	return open
}

// CloseConnections cuts every client connection there is, those that wait for nothing included, and returns how many
// tunnels and plain-HTTP requests were under way. Their Err is ErrCut then. A client that connects afterwards is served as ever.
func (s *Server) CloseConnections() int {
	open := len(s.open())
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
