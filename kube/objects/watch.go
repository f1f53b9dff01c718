package objects

import (
	"cmp"
	"context"
	"sync"

	"fairlead/kube/api"
	"fairlead/kube/fault"
	"fairlead/kube/jsonstream"
)

// ListSlices returns the EndpointSlices of a Service, for which no client waits.
func ListSlices(ctx context.Context, s *api.Streams, key ServiceKey) (Endpoints, error) {
	return api.AskUnattended(ctx, s, slicesOf("list", key).With("limit", api.MaxItems), ReadSlices(key.Namespace))
}

// WatchSlices begins a watch of the EndpointSlices of a Service from a version on. It lives until ctx ends or it is stopped.
func WatchSlices(ctx context.Context, s *api.Streams, key ServiceKey, version string) (*Watch, error) {
	ctx, cancel := context.WithCancel(ctx)
	q := slicesOf("watch", key).With("watch", "true").With("resourceVersion", version).With("allowWatchBookmarks", "true")
	body, err := s.Open(ctx, cancel, q)
	if err != nil {
		cancel()
		return nil, err
	}
	w := &Watch{Events: make(chan Event), cancel: cancel}
	w.reading.Go(func() {
		defer close(w.Events)
		defer body.Close()
		w.Err = w.read(ctx, s.Reader(body), key.Namespace)
	})
	return w, nil
}

// An Event is a change of an EndpointSlice. The error is the API server's, in place of one.
type Event struct {
	kind  string // "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"
	slice Slice
	err   error
}

// A Watch is a watch of the EndpointSlices of a Service, with the request that carries it.
type Watch struct {
	Events  chan Event // closed when the watch has ended
	Err     error      // why; to be read after that
	cancel  context.CancelFunc
	reading sync.WaitGroup
}

// Stop ends the watch and waits for its end.
func (w *Watch) Stop() {
	w.cancel()
	w.reading.Wait()
}

// read reads events until the watch ends. One that brought as much as an answer may have ends, and goes on as another one.
func (w *Watch) read(ctx context.Context, r *jsonstream.Reader, namespace string) error {
	defer r.Close()
	for r.Next() {
		event := readEvent(r, namespace)
		if r.Err() != nil {
			break
		}
		select {
		case w.Events <- event:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return r.Err()
}

// readEvent reads one event of a watch. What its object is may be said after it: the fields of a slice and of a Status have
// different names.
func readEvent(r *jsonstream.Reader, namespace string) (e Event) {
	var status api.StatusError
	var kind string
	readSlice := readSlice(namespace)
	r.Object(func(key string) {
		switch key {
		case "type":
			e.kind = r.Text(api.MaxName)
		case "object":
			r.Object(func(key string) {
				if key == "kind" {
					kind = r.Text(api.MaxName)
					return
				}
				readSlice(r, &e.slice, key)
				api.ReadStatus(r, &status, key)
			})
		}
	})
	switch {
	case e.kind == "ERROR" && kind == "Status":
		e.err = &status
	case e.kind == "ERROR" || kind != "EndpointSlice":
		r.Reject()
	}
	return e
}

// Apply takes an event of a watch, and reports whether it changed the endpoints. Many events may make a set that is
// larger than any answer can be.
func (s *Endpoints) Apply(event Event) (changed bool, err error) {
	switch event.kind {
	case "ADDED", "MODIFIED":
		*s = s.with(event.slice)
	case "DELETED":
		*s = s.without(event.slice.name)
	case "BOOKMARK":
	default:
		return false, cmp.Or(event.err, api.ErrForeign)
	}
	if event.slice.version != "" {
		s.Version = event.slice.version
	}
	if int64(s.Cost()) > api.AnswerBounds.Memory {
		return false, &fault.Oversized{Of: fault.Memory, Bound: api.AnswerBounds.Memory}
	}
	return event.kind != "BOOKMARK", nil
}
