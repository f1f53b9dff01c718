package portforward

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"sync"
)

// A served is the server's end of one session. The library of container runtimes leaks goroutines if a session ends
// while it hands a stream over, or bytes to a stream that is not read. So served hides the end from it until it has
// handed over all the streams that were requested, and reads what comes for them.
type served struct {
	net.Conn
	reader   io.Reader     // what comes over it
	released chan struct{} // closed when the library has closed the session
	ending   chan struct{} // closed when the peer has ended it

	mu      sync.Mutex
	changed *sync.Cond
	in, out frames
	asked   int // streams that were requested
	replied int // of them, those that it has answered
	given   int // pairs of them that PortForward got
}

func newServed(c net.Conn, r io.Reader) *served {
	s := &served{Conn: c, reader: r, released: make(chan struct{}), ending: make(chan struct{})}
	s.changed = sync.NewCond(&s.mu)
	return s
}

// The types of SPDY's control frames that are used here.
const (
	synStream = 1
	synReply  = 2
)

func (s *served) Read(p []byte) (int, error) {
	n, err := s.reader.Read(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked += s.in.count(p[:n], synStream)
	if n > 0 || err == nil {
		return n, nil
	}
	select {
	case <-s.ending:
	default:
		close(s.ending)
	}
	for s.replied < s.asked || s.given < s.asked/2 {
		s.changed.Wait()
	}
	return 0, err
}

// Write reports success even for what cannot be sent any more: the library waits for ever after a reply that fails.
func (s *served) Write(p []byte) (int, error) {
	s.mu.Lock()
	s.replied += s.out.count(p, synReply)
	s.changed.Broadcast()
	s.mu.Unlock()
	_, _ = s.Conn.Write(p)
	return len(p), nil
}

func (s *served) Close() error {
	_ = s.Conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.released:
	default:
		close(s.released)
	}
	return nil
}

// give records that PortForward got a pair of streams.
func (s *served) give() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.given++
	s.changed.Broadcast()
}

// A frames finds the frames in what is read or written in parts.
type frames struct {
	head [8]byte
	have int // of head
	skip int // of the frame's content
}

// count returns how many control frames of a type begin in the next part.
func (f *frames) count(p []byte, kind uint16) (n int) {
	for len(p) > 0 {
		if f.skip > 0 {
			part := min(f.skip, len(p))
			f.skip -= part
			p = p[part:]
			continue
		}
		part := copy(f.head[f.have:], p)
		f.have += part
		p = p[part:]
		if f.have < len(f.head) {
			continue
		}
		f.have = 0
		f.skip = int(binary.BigEndian.Uint32(f.head[4:]) & 0xffffff)
		if f.head[0]&0x80 != 0 && binary.BigEndian.Uint16(f.head[2:]) == kind {
			n++
		}
	}
	return n
}

// An upgrading is the writer for a request whose connection the library takes over.
type upgrading struct {
	http.ResponseWriter
	w *world
}

func (u upgrading) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := u.ResponseWriter.(http.Hijacker).Hijack()
	if err != nil {
		return nil, nil, err
	}
	s := newServed(c, rw.Reader)
	u.w.serve(s)
	return s, bufio.NewReadWriter(bufio.NewReader(s), rw.Writer), nil
}

// drain reads a stream until its end, after the end of its session.
func (s *served) drain(stream io.Reader) {
	<-s.ending
	_, _ = io.Copy(io.Discard, stream)
}
