package session

import (
	"sync"

	"github.com/rs/zerolog"
)

// desiredQueue passes desired states to the disk without making Run wait for it. Only the last one of each context
// counts.
type desiredQueue struct {
	mutex  sync.Mutex
	more   *sync.Cond
	order  []string
	on     map[string]bool
	closed bool
}

func newDesiredQueue() *desiredQueue {
	w := &desiredQueue{on: make(map[string]bool)}
	w.more = sync.NewCond(&w.mutex)
	return w
}

func (w *desiredQueue) put(name string, on bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if _, waiting := w.on[name]; !waiting {
		w.order = append(w.order, name)
	}
	w.on[name] = on
	w.more.Signal()
}

// close makes save return once everything is saved.
func (w *desiredQueue) close() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.closed = true
	w.more.Signal()
}

func (w *desiredQueue) next() (name string, on, ok bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for len(w.order) == 0 && !w.closed {
		w.more.Wait()
	}
	if len(w.order) == 0 {
		return "", false, false
	}
	name, w.order = w.order[0], w.order[1:]
	on = w.on[name]
	delete(w.on, name)
	return name, on, true
}

// save saves desired states until close.
func (w *desiredQueue) save(save func(name string, on bool) error, log zerolog.Logger) {
	for name, on, ok := w.next(); ok; name, on, ok = w.next() {
		if err := save(name, on); err != nil {
			log.Warn().Str("context", name).Bool("on", on).Err(err).Msg("switch not saved")
		}
	}
}
