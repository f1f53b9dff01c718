package spdy

import (
	"errors"
	"io"
	"syscall"
)

// Write sends p in DATA frames, each in one write of the connection. There is no flow control: Write waits while the
// connection takes no more.
func (st *Stream) Write(p []byte) (int, error) {
	m := st.session.cfg.Memory
	written := 0
	for len(p) > 0 {
		n := min(len(p), st.session.cfg.MaxFrame)
		b := m.getLarge()
		copy(b[headSize:], p[:n])
		err := st.send(b[:headSize+n])
		m.large.Put(b)
		if err != nil {
			return written, err
		}
		written += n
		p = p[n:]
	}
	return written, nil
}

// ReadFrom sends what it reads from r until its end, without copying it in between. While it waits for r, it holds
// only a small buffer.
func (st *Stream) ReadFrom(r io.Reader) (int64, error) {
	m := st.session.cfg.Memory
	small := make([]byte, headSize+2<<10)
	var total int64
	bulk := false
	for {
		var n int
		var done bool
		var err error
		if bulk {
			b := m.getLarge()
			n, done, err = st.sendOnce(r, b[:headSize+st.session.cfg.MaxFrame])
			m.large.Put(b)
			bulk = n > len(small)
		} else {
			n, done, err = st.sendOnce(r, small)
			bulk = headSize+n == len(small)
		}
		total += int64(n)
		if done || err != nil {
			return total, err
		}
	}
}

// sendOnce moves one read of r into one frame, and reports whether r is at its end. b has room for the head.
func (st *Stream) sendOnce(r io.Reader, b []byte) (n int, done bool, err error) {
	n, err = r.Read(b[headSize:])
	if n > 0 {
		if failed := st.send(b[:headSize+n]); failed != nil {
			return 0, false, failed
		}
	}
	if err == io.EOF {
		return n, true, nil
	}
	return n, false, err
}

// send sends one DATA frame. b has room for the head before its payload.
func (st *Stream) send(b []byte) error {
	s := st.session
	s.sending.Lock()
	err := st.countSent(len(b) - headSize)
	if err == nil {
		appendData(b[:0], st.id, 0, len(b)-headSize)
		err = s.writeLocked(b)
	}
	s.sending.Unlock()
	s.flush()
	return err
}

// countSent counts n more bytes as sent, or returns why they cannot be sent.
func (st *Stream) countSent(n int) error {
	s := st.session
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case st.closed:
		return ErrClosed
	case st.fin || st.ended:
		return syscall.EPIPE
	}
	st.sent += int64(n)
	return nil
}

// CloseWrite ends what is written (FIN). What the peer still sends can be read.
func (st *Stream) CloseWrite() error {
	s := st.session
	s.mu.Lock()
	if s.err != nil {
		defer s.mu.Unlock()
		return streamError(s.err)
	}
	st.queueFin()
	s.mu.Unlock()
	s.flush()
	return nil
}

// queueFin queues the FIN. The session's lock is held.
func (st *Stream) queueFin() {
	if st.fin {
		return
	}
	st.fin = true
	if !st.ended || errors.Is(st.endErr, io.EOF) {
		st.session.control = appendData(st.session.control, st.id, flagFin, 0)
	}
	st.forgetIfDone()
}
