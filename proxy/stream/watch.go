package stream

import (
	"errors"
	"io"
	"net"
	"slices"
	"time"
)

// Sizes of what is read ahead during a dial.
const (
	aheadStart = 2 << 10
	aheadLimit = 64 << 10
)

// A Watch reads ahead from a client whose target is being dialled. It keeps what the client sends, and notices a client
// that leaves, so that the dial can end. A client that has sent something and then its FIN has not left: it may have
// sent its whole request and wait for the answer. After aheadLimit bytes the Watch stops reading and assumes that the
// client stays.
type Watch struct {
	conn  net.Conn
	ahead []byte
	done  chan struct{}
}

// WatchClient begins a Watch; ahead is what the client has sent already. gone is called at most once, before Stop
// returns. Stop must follow.
func WatchClient(conn net.Conn, ahead []byte, gone func()) *Watch {
	w := &Watch{conn: conn, ahead: ahead, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		if w.read() {
			gone()
		}
	}()
	return w
}

// read reads ahead, and reports whether the client has left.
func (w *Watch) read() bool {
	for len(w.ahead) < aheadLimit {
		w.ahead = slices.Grow(w.ahead, aheadStart)
		n, err := w.conn.Read(w.ahead[len(w.ahead):min(cap(w.ahead), aheadLimit)])
		w.ahead = w.ahead[:len(w.ahead)+n]
		var timeout net.Error
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return len(w.ahead) == 0
		case errors.As(err, &timeout) && timeout.Timeout():
			return false
		default:
			return true
		}
	}
	return false
}

// Stop ends the watch and returns everything that the client has sent so far. If the client has half-closed, the next
// read returns io.EOF again.
func (w *Watch) Stop() []byte {
	_ = w.conn.SetReadDeadline(time.Unix(1, 0)) // fails only on a closed connection, whose read has ended
	<-w.done
	_ = w.conn.SetReadDeadline(time.Time{})
	if len(w.ahead) == 0 {
		return nil // so that the memory of w.ahead is not kept
	}
	return w.ahead
}
