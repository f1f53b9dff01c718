package spdy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Config configures the memory that a session uses. The zero value has usable defaults.
type Config struct {
	// MaxFrame limits the payload of a DATA frame that is sent; 0 means 64 KiB less the room for the head.
	MaxFrame int
	// Buffer limits the bytes that may wait for a stream while another stream's reader reads the connection; 0 means
	// 1 MiB. When it is full the session waits until that stream is read.
	Buffer int
	// Memory has the buffers; nil means one of the session's own, without a limit over several sessions.
	Memory *Memory
	// Workers is how many workers the peer spreads stream ids over (id modulo Workers); 0 means 5. Open skips ids so
	// that streams in use share a worker as late as possible: a blocked stream blocks its worker.
	Workers int
}

func (c Config) withDefaults() Config {
	if c.MaxFrame <= 0 || c.MaxFrame > largeBuffer-headSize {
		c.MaxFrame = largeBuffer - headSize
	}
	if c.Buffer <= 0 {
		c.Buffer = 1 << 20
	}
	if c.Workers <= 0 {
		c.Workers = 5
	}
	if c.Memory == nil {
		c.Memory = new(Memory)
	}
	return c
}

// ErrClosed is the error of a session, or a stream, that its own side closed.
var ErrClosed = net.ErrClosed

// ErrGoAway means that the peer accepts no more streams on this session.
var ErrGoAway = errors.New("the peer takes no more streams (GOAWAY)")

// ErrUnsent means that nothing was sent, or no whole frame.
var ErrUnsent = errors.New("nothing was sent")

// A Session is one connection to a SPDY/3.1 server. Its methods may be called from several goroutines.
type Session struct {
	conn net.Conn
	cfg  Config

	sending sync.Mutex // held while frames are written; taken before mu, never after it

	mu        sync.Mutex
	err       error // why it ended; nil while it is open
	done      chan struct{}
	streams   map[uint32]*Stream
	next      uint32 // the lowest id not yet used
	live      int    // streams the local side has not closed
	load      []int  // of those that are read, the number for each worker of the peer
	lingering int    // streams that the local side has closed and the peer has not ended
	sent      int64
	away      bool // GOAWAY was seen

	receiver receiver
	turns    turns

	control []byte // small frames that wait for the connection to be free
	writing time.Time
	health  health
}

// NewSession returns a client's session over conn, which belongs to the session from then on. It sends nothing and
// starts nothing.
func NewSession(conn net.Conn, cfg Config) *Session {
	cfg = cfg.withDefaults()
	s := &Session{
		conn:    conn,
		cfg:     cfg,
		load:    make([]int, cfg.Workers),
		done:    make(chan struct{}),
		streams: make(map[uint32]*Stream),
		next:    1,
		health:  health{lastHeard: time.Now(), nextPing: 1},
	}
	s.receiver.session, s.turns.session = s, s
	return s
}

// Close ends the session and its connection at once. Streams that are still open end with an error.
func (s *Session) Close() { s.CloseWith(ErrClosed) }

// CloseWith is Close with a reason, which Err and the streams return.
func (s *Session) CloseWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failLocked(err)
}

// Err returns why the session ended, and nil while it has not. io.EOF means that the peer closed the connection.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *Session) failLocked(err error) {
	if s.err != nil {
		return
	}
	if errors.Is(err, errDeadline) {
		err = fmt.Errorf("the connection takes no more: %v", err) // the only deadline for writes is the session's own
	}
	s.err = err
	close(s.done)
	s.conn.Close()
	s.turns.notifyAll()
}

// A State describes a session at one moment.
type State struct {
	Lingering int           // streams that the local side has closed and the peer has not yet ended
	Dropped   int64         // bytes that came for closed streams
	Away      bool          // the peer takes no more streams
	Blocked   time.Duration // for how long the session has waited because one stream's buffer is full
	Writing   time.Duration // for how long the current write has lasted
	Pinging   time.Duration // for how long a ping has gone unanswered
	Heard     time.Time     // when the last byte came
	Probed    time.Time     // when the last probe was sent
	Proved    time.Time     // when the last probe was sent that was answered: what was sent before it was read
	Proving   time.Duration // how long that answer took: much longer than a round trip if the peer is busy
	RTT       time.Duration // smoothed round trip of the pings; 0 before the first answer
	Used      uint32        // stream ids that are used up, of 2^31
	Sent      int64         // bytes written to the connection, heads included
	Received  int64         // bytes of payload that came
	Unheard   int64         // of Sent, the bytes written since the last byte came
	Mid       bool          // payload of a frame is only partly read
}

// State returns the session's state. It never blocks.
func (s *Session) State() State {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := State{
		Lingering: s.lingering, Dropped: s.receiver.dropped, Away: s.away,
		Heard: s.health.lastHeard, Probed: s.health.probed, Proved: s.health.proved, Proving: s.health.proving, RTT: s.health.rtt, Used: s.next, Sent: s.sent, Received: s.receiver.received, Unheard: s.sent - s.health.sentWhenHeard,
		Mid: s.receiver.mid,
	}
	if s.receiver.blockedBy != nil {
		st.Blocked = now.Sub(s.receiver.blockedAt)
	}
	if !s.writing.IsZero() {
		st.Writing = now.Sub(s.writing)
	}
	if !s.health.pingSent.IsZero() {
		st.Pinging = now.Sub(s.health.pingSent)
	}
	return st
}

// Watch reads what the peer sends while no stream is in use: late ends of closed streams, pings, the end of the
// connection. It returns nil at until, as soon as a stream is opened or a ping sent, or when the peer has ended the
// last of the closed streams; otherwise it returns the error that ended the session.
func (s *Session) Watch(until time.Time) error {
	w := waiter{deadline: until, wake: make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turns.watcher = &w
	defer func() {
		s.turns.watcher = nil
		s.turns.passOn()
	}()
	drained, pinged := s.lingering > 0, s.health.nextPing
	for s.live == 0 && s.health.nextPing == pinged && !(drained && s.lingering == 0) {
		if s.err != nil {
			return s.err
		}
		if _, err := s.turns.step(&w, nil, nil); err != nil {
			if errors.Is(err, errDeadline) {
				return nil
			}
			return err
		}
	}
	return nil
}

// streamError returns the error of the streams of a session that ended with err: never io.EOF, not even
// wrapped, which is an orderly end.
func streamError(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
