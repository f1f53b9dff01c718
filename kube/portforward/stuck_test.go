package portforward

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fairlead/kube/carrier"
)

// A jam is a route to the API server whose connections take no more bytes once it is set, and give none once it is
// mute, until they are closed. Later connections work.
type jam struct {
	mu    sync.Mutex
	conns []*jammedConn
}

type jammedConn struct {
	net.Conn
	set, mute atomic.Bool
	closed    chan struct{}
	once      sync.Once
}

// dial is for Dial of rest.Config.
func (j *jam) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &jammedConn{Conn: conn, closed: make(chan struct{})}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.conns = append(j.conns, c)
	return c, nil
}

func (j *jam) set() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range j.conns {
		c.set.Store(true)
	}
}

func (j *jam) mute() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range j.conns {
		c.mute.Store(true)
	}
}

func (c *jammedConn) Write(p []byte) (int, error) {
	if c.set.Load() {
		<-c.closed
		return 0, net.ErrClosed
	}
	return c.Conn.Write(p)
}

func (c *jammedConn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.mute.Load() {
			return n, err
		}
	}
}

func (c *jammedConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// The end of a connection is noticed although a write is stuck.
func TestAWriteThatIsStuckHidesNoEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.program(8, func(c net.Conn) { io.Copy(io.Discard, c) }) // never answers
	var j jam
	f := w.forwarder(func(c *Config) { c.REST.Dial = j.dial })
	c := mustDial(t, f, 8)
	s := c.(*conn).current.session
	j.set()
	var writing sync.WaitGroup
	defer writing.Wait()
	defer c.Close()
	writing.Go(func() { _, _ = io.WriteString(c, "hello") }) // the reader returns the error
	eventually(t, "the write is stuck", func() bool { return s.State().Writing > 0 })
	read := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		read <- err
	}()
	f.Withdraw("ns", "pod", "uid", carrier.Gone)
	select {
	case err := <-read:
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v", err)
		}
	case <-time.After(goneTimeout + 10*time.Second):
		t.Error("the end is not noticed")
	}
}

// An upload may be stuck for long. Another connection that waits behind it to be accepted goes elsewhere.
func TestAConnectionBehindAStuckUploadGoesElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.program(8, func(c net.Conn) { io.Copy(io.Discard, c) })
	var j jam
	f := w.forwarder(func(c *Config) { c.REST.Dial, c.PerPod = j.dial, 1 })
	upload := mustDial(t, f, 8)
	ctx, cancel := context.WithTimeout(t.Context(), 2*maxAcceptTime)
	defer cancel()
	raw, err := f.Dial(ctx, at(7), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := raw.(*conn)
	defer c.Close()
	if c.current.session != upload.(*conn).current.session {
		t.Fatal("they do not share a session")
	}
	j.mute()
	opened := make(chan error, 1)
	go func() { opened <- c.Opened(ctx) }()
	<-c.begun
	j.set()
	var writing sync.WaitGroup
	defer writing.Wait()
	defer upload.Close()
	writing.Go(func() { _, _ = io.WriteString(upload, "hello") }) // it is stuck
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	echoes(t, c, "hello")
}

// Nothing is sent twice, though it is written while the attempt is given up because nothing was.
func TestBytesThatComeAsAnAttemptIsGivenUpAreNotSentAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := make(chan string, 2)
	w.program(8, func(c net.Conn) {
		b := make([]byte, 5)
		if _, err := io.ReadFull(c, b); err == nil {
			got <- string(b)
		}
		io.Copy(io.Discard, c)
	})
	f := w.forwarder(nil)
	c := mustDial(t, f, 8).(*conn)
	defer c.Close()
	a := c.current
	end := a.classifyEnd(errSilent, c.hasWritten())
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	<-got
	c.opening.Lock()
	defer c.opening.Unlock()
	if err := c.replace(t.Context(), a, end); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("it goes on elsewhere, with %v", err)
	}
}
