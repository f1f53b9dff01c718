package proxy

import (
	"io"
	"sync/atomic"
)

// Traffic is what a Server has carried since it was made.
type Traffic struct {
	Open     int64  // tunnels and plain-HTTP requests under way now
	Total    uint64 // tunnels and plain-HTTP requests there have been, the open ones included
	Sent     uint64 // bytes to targets
	Received uint64 // bytes from targets
}

// Traffic returns what the Server has carried up to now, bytes of open connections included.
func (s *Server) Traffic() Traffic {
	return Traffic{
		Open:     s.traffic.open.Load(),
		Total:    s.traffic.total.Load(),
		Sent:     s.traffic.sent.Load(),
		Received: s.traffic.received.Load(),
	}
}

// counters count what Traffic returns.
type counters struct {
	open                  atomic.Int64
	total, sent, received atomic.Uint64
}

// meter counts the bytes of one connection, and those of its Server with them.
type meter struct {
	sent, received atomic.Int64
	serving        *serving
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
	m.serving.server.traffic.sent.Add(uint64(n)) // a negative n works too: the sum wraps around
	m.serving.noteProgress()
}

// addReceived is called before bytes from a target are passed on.
func (m *meter) addReceived(n int) {
	m.received.Add(int64(n))
	m.serving.server.traffic.received.Add(uint64(n))
	m.serving.noteProgress()
}

// noteProgress wakes reportProgress, because bytes move.
func (v *serving) noteProgress() {
	if v.server.config.Load().Progress <= 0 {
		return
	}
	select {
	case v.progress <- struct{}{}:
	default:
	}
}
