package kube

import (
	"cmp"
	"context"
	"sync"

	"fairlead/kube/api"
	"fairlead/kube/fault"
	"fairlead/kube/jsonstream"
)

// listSlices returns the EndpointSlices of a Service, for which no client waits.
func listSlices(ctx context.Context, s *api.Streams, key serviceKey) (endpointSet, error) {
	return api.AskUnattended(ctx, s, slicesOf("list", key).With("limit", api.MaxItems), readSlices(key.namespace))
}

// watchSlices begins a watch of the EndpointSlices of a Service from a version on. It lives until ctx ends or it is stopped.
func watchSlices(ctx context.Context, s *api.Streams, key serviceKey, version string) (*sliceWatch, error) {
	ctx, cancel := context.WithCancel(ctx)
	q := slicesOf("watch", key).With("watch", "true").With("resourceVersion", version).With("allowWatchBookmarks", "true")
	body, err := s.Open(ctx, cancel, q)
	if err != nil {
		cancel()
		return nil, err
	}
	w := &sliceWatch{events: make(chan sliceEvent), cancel: cancel}
	w.reading.Go(func() {
		defer close(w.events)
		defer body.Close()
		w.err = w.read(ctx, s.Reader(body), key.namespace)
	})
	return w, nil
}

// A sliceEvent is a change of an EndpointSlice. The error is the API server's, in place of one.
type sliceEvent struct {
	kind  string // "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"
	slice endpointSlice
	err   error
}

// A sliceWatch is a watch with the request that carries it.
type sliceWatch struct {
	events  chan sliceEvent // closed when the watch has ended
	err     error           // why; to be read after that
	cancel  context.CancelFunc
	reading sync.WaitGroup
}

// stop ends the watch and waits for its end.
func (w *sliceWatch) stop() {
	w.cancel()
	w.reading.Wait()
}

// read reads events until the watch ends. One that brought as much as an answer may have ends, and goes on as another one.
func (w *sliceWatch) read(ctx context.Context, r *jsonstream.Reader, namespace string) error {
	defer r.Close()
	for r.Next() {
		event := readEvent(r, namespace)
		if r.Err() != nil {
			break
		}
		select {
		case w.events <- event:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return r.Err()
}

// readEvent reads one event of a watch. What its object is may be said after it: the fields of a slice and of a Status have
// different names.
func readEvent(r *jsonstream.Reader, namespace string) (e sliceEvent) {
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

// apply takes an event of a watch, and reports whether the endpoints are others after it. Many events may make a set that is
// larger than any answer can be.
func (s *endpointSet) apply(event sliceEvent) (changed bool, err error) {
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
		s.version = event.slice.version
	}
	if int64(s.cost()) > api.AnswerBounds.Memory {
		return false, &fault.Oversized{Of: fault.Memory, Bound: api.AnswerBounds.Memory}
	}
	return event.kind != "BOOKMARK", nil
}
