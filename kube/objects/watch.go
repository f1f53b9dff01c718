package objects

import (
	"cmp"
	"context"
	"sync"

	"fairlead/kube/api"
	"fairlead/kube/fault"
	"fairlead/kube/jsonstream"
)

// ListSlices lists the EndpointSlices of a Service without running a credential plugin: no client waits for them.
func ListSlices(ctx context.Context, s *api.Streams, key ServiceKey) (Endpoints, error) {
	return api.AskUnattended(ctx, s, slicesOf("list", key).With("limit", api.MaxItems), ReadSlices(key.Namespace))
}

// WatchSlices begins a watch of the EndpointSlices of a Service from a version on. The watch ends with ctx or by Stop.
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

// An Event is a change of an EndpointSlice, or an error of the API server.
type Event struct {
	kind  string // "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"
	slice Slice
	err   error
}

// A Watch is a watch of the EndpointSlices of a Service.
type Watch struct {
	Events  chan Event // closed when the watch has ended
	Err     error      // why it ended; valid once Events is closed
	cancel  context.CancelFunc
	reading sync.WaitGroup
}

// Stop ends the watch and waits for that.
func (w *Watch) Stop() {
	w.cancel()
	w.reading.Wait()
}

// read reads events until the watch ends. The bounds of one answer apply to the whole watch; its owner begins another one.
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

// readEvent reads one event of a watch. Its type may come after the object, so the object is read as a slice and as a Status
// at the same time: their fields have different names.
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

// Apply applies an event of a watch, and reports whether it changed the endpoints. It returns an error if the endpoints
// become larger than one answer may be.
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
