package spdy

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/spdystream"
	"go.uber.org/goleak"
)

// startServer runs the SPDY server that API servers and container runtimes use, on the far end of a TCP connection.
func startServer(t *testing.T, cfg Config, handle func(*spdystream.Stream)) *Session {
	t.Helper()
	s, _ := startServerConn(t, cfg, handle)
	return s
}

func startServerConn(t *testing.T, cfg Config, handle func(*spdystream.Stream)) (*Session, *spdystream.Connection) {
	t.Helper()
	near, far := tcpPair(t)
	server, err := spdystream.NewConnection(far, true)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		server.Serve(func(st *spdystream.Stream) {
			// A stream whose reply could not be sent waits for it for ever.
			if st.SendReply(http.Header{"Server": {"real"}}, false) == nil {
				wg.Go(func() { handle(st) })
			}
		})
	})
	s := NewSession(near, cfg)
	t.Cleanup(func() {
		s.Close()
		far.Close()
		wg.Wait()
	})
	return s, server
}

func tcpPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	near, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

func echo(st *spdystream.Stream) {
	io.Copy(st, st)
	st.Close()
}

func open(t *testing.T, s *Session, first []byte) *Stream {
	t.Helper()
	streams, err := s.Open(first, Request{Headers: []Header{{"port", "80"}, {"streamtype", "data"}}})
	if err != nil {
		t.Fatal(err)
	}
	return streams[0]
}

func TestEchoedBytesComeBackWhole(t *testing.T) {
	s := startServer(t, Config{}, echo)
	want := make([]byte, 5<<20)
	rand.Read(want)
	for range 3 {
		st := open(t, s, want[:100])
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := st.ReadFrom(bytes.NewReader(want[100 : 1<<20])); err != nil {
				t.Error(err)
			}
			if _, err := st.Write(want[1<<20:]); err != nil {
				t.Error(err)
			}
			if err := st.CloseWrite(); err != nil {
				t.Error(err)
			}
		})
		got, err := io.ReadAll(readerOnly{st})
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("read %d bytes, %v; want %d", len(got), err, len(want))
		}
		wg.Wait()
		if p := st.Progress(); !p.Finished || p.Sent != int64(len(want)) || p.Received != int64(len(want)) {
			t.Errorf("after an orderly end: %+v", p)
		}
		st.Close()
	}
	s.mu.Lock()
	live := s.live
	s.mu.Unlock()
	if st := s.State(); live != 0 || st.Lingering != 0 {
		t.Errorf("session keeps %d streams: %+v", live, st)
	}
}

// readALittle makes the session read for a moment.
func readALittle(t *testing.T, st *Stream) {
	st.SetReadDeadline(time.Now().Add(time.Millisecond))
	st.WaitReadable(t.Context()) // only to read
}

type readerOnly struct{ io.Reader }

func TestHeadersArriveAsSent(t *testing.T) {
	got := make(chan http.Header, 3)
	s := startServer(t, Config{}, func(st *spdystream.Stream) { got <- st.Headers(); st.Close() })
	for i, value := range []string{"1", "", "a longer value, with \x7f and ÿ"} {
		if _, err := s.Open(nil, Request{Headers: []Header{{"one", value}, {"two", "2"}}}); err != nil {
			t.Fatal(err)
		}
		h := <-got
		if h.Get("one") != value || h.Get("two") != "2" || len(h) != 2 {
			t.Errorf("stream %d: headers %v", i, h)
		}
	}
}

func TestResetIsNoOrderlyEnd(t *testing.T) {
	s := startServer(t, Config{}, func(st *spdystream.Stream) {
		st.Write([]byte("partly"))
		st.Reset()
	})
	st := open(t, s, nil)
	got, err := io.ReadAll(st)
	if string(got) != "partly" || !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("got %q, %v; want a reset after what was sent", got, err)
	}
	if _, err := st.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write to a reset stream: %v", err)
	}
}

// ErrClosed is for a stream that its own side has closed, in both directions.
func TestALateWriteNamesTheSideThatClosed(t *testing.T) {
	s := startServer(t, Config{}, func(st *spdystream.Stream) { io.Copy(io.Discard, st) })
	st := open(t, s, nil)
	if err := st.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("after CloseWrite: %v", err)
	}
	_ = st.Close()
	if _, err := st.Write([]byte("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestLostConnectionIsNoOrderlyEnd(t *testing.T) {
	near, far := tcpPair(t)
	s := NewSession(near, Config{})
	defer s.Close()
	st := open(t, s, nil)
	far.Close()
	if _, err := io.ReadAll(st); err == nil {
		t.Fatal("a lost connection reads as an orderly end")
	}
	<-s.done
	if _, err := s.Open(nil, Request{}); err == nil {
		t.Fatal("a dead session opens streams")
	}
}

func TestPingMeasuresAndIsAnswered(t *testing.T) {
	s, server := startServerConn(t, Config{}, echo)
	s.Ping()
	deadline := time.Now().Add(30 * time.Second)
	for s.State().RTT == 0 && time.Now().Before(deadline) {
		if err := s.Watch(time.Now().Add(10 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	if st := s.State(); st.RTT <= 0 || st.Pinging != 0 {
		t.Fatalf("no round trip measured: %+v", st)
	}
	answered := make(chan error, 1)
	go func() { _, err := server.Ping(); answered <- err }()
	for {
		select {
		case err := <-answered:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
		}
		if err := s.Watch(time.Now().Add(10 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadDeadlineCanBeExtended(t *testing.T) {
	s := startServer(t, Config{}, echo)
	st := open(t, s, nil)
	defer st.Close()
	done := make(chan error)
	go func() {
		_, err := st.Read(make([]byte, 1))
		done <- err
	}()
	st.SetReadDeadline(time.Now().Add(-time.Second))
	if err := <-done; !errors.Is(err, errDeadline) {
		t.Fatalf("read ends with %v", err)
	}
	st.SetReadDeadline(time.Time{})
	st.Write([]byte("again"))
	b := make([]byte, 10)
	if n, err := io.ReadFull(st, b[:5]); string(b[:n]) != "again" {
		t.Fatalf("after the deadline was extended: %q, %v", b[:n], err)
	}
}

func TestCloseEndsARunningRead(t *testing.T) {
	s := startServer(t, Config{}, echo)
	st := open(t, s, nil)
	done := make(chan error)
	go func() {
		_, err := st.Read(make([]byte, 1))
		done <- err
	}()
	st.Close()
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Fatalf("read ends with %v", err)
	}
	other := open(t, s, []byte("x")) // the session lives on
	if n, err := other.Read(make([]byte, 1)); n != 1 {
		t.Fatal(err)
	}
}

// A stalled reader does not delay the other streams of its session while what waits for it fits its buffer.
func TestStalledReaderWithinItsBufferDelaysNoOther(t *testing.T) {
	s := startServer(t, Config{}, func(st *spdystream.Stream) {
		if st.Identifier() == 1 {
			st.Write(make([]byte, 900<<10))
		}
		echo(st)
	})
	stalled := open(t, s, nil)
	for range 20 {
		st := open(t, s, []byte("hello"))
		b := make([]byte, 5)
		if _, err := io.ReadFull(st, b); err != nil {
			t.Fatal(err)
		}
		st.Close()
	}
	if n, err := io.CopyN(io.Discard, readerOnly{stalled}, 900<<10); err != nil {
		t.Fatalf("the stalled reader gets %d bytes: %v", n, err)
	}
}

// Beyond its buffer, a stalled reader blocks the session, in bounded memory, until it reads again or closes.
func TestStalledReaderBeyondItsBufferIsBounded(t *testing.T) {
	const size = 8 << 20
	for _, end := range []string{"reads on", "closes"} {
		t.Run(end, func(t *testing.T) {
			s := startServer(t, Config{Buffer: 64 << 10}, func(st *spdystream.Stream) {
				if st.Identifier() == 1 {
					st.Write(make([]byte, size))
					st.Close()
					return
				}
				echo(st)
			})
			stalled := open(t, s, nil)
			other := open(t, s, []byte("hello"))
			got := make(chan error, 1)
			go func() {
				_, err := io.ReadFull(readerOnly{other}, make([]byte, 5))
				got <- err
			}()
			for s.State().Blocked == 0 {
				select {
				case err := <-got:
					got <- err // it came before the other data, which is fine too
				default:
				}
				if len(got) == 1 {
					break
				}
				time.Sleep(time.Millisecond)
			}
			s.mu.Lock()
			held := stalled.pending.Len()
			s.mu.Unlock()
			if held > 64<<10 {
				t.Fatalf("%d bytes wait", held)
			}
			if end == "closes" {
				stalled.Close()
			} else if n, err := io.Copy(io.Discard, readerOnly{stalled}); n != size || err != nil {
				t.Fatalf("%d bytes, %v", n, err)
			}
			if err := <-got; err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestManyStreamsShareASession(t *testing.T) {
	s := startServer(t, Config{}, echo)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			want := bytes.Repeat([]byte{byte(i)}, 100_000+i)
			st := open(t, s, want[:10])
			defer st.Close()
			var sender sync.WaitGroup
			sender.Go(func() {
				st.Write(want[10:])
				st.CloseWrite()
			})
			got, err := io.ReadAll(readerOnly{st})
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("stream %d: %d bytes, %v", i, len(got), err)
			}
			sender.Wait()
		})
	}
	wg.Wait()
}

func TestGoAwayEndsOpening(t *testing.T) {
	s, server := startServerConn(t, Config{}, echo)
	st := open(t, s, []byte("x"))
	if _, err := st.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	server.Close()
	t.Cleanup(func() { s.Close(); server.Wait(30 * time.Second) }) // its goroutine ends
	for !s.State().Away {
		readALittle(t, st)
	}
	if _, err := s.Open(nil, Request{}); err == nil {
		t.Fatal("opens a stream after GOAWAY")
	}
}

func TestWatchEndsWhenAStreamOpens(t *testing.T) {
	s := startServer(t, Config{}, echo)
	done := make(chan error)
	go func() { done <- s.Watch(time.Time{}) }()
	st := open(t, s, []byte("x"))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := st.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

func TestTextKeepsTheBeginning(t *testing.T) {
	s := startServer(t, Config{}, func(st *spdystream.Stream) {
		if st.Headers().Get("kind") == "text" {
			st.Write(bytes.Repeat([]byte("abc"), 1000))
			st.Close()
		}
	})
	streams, err := s.Open(nil, Request{Headers: []Header{{"kind", "text"}}, Fin: true, Keep: 7}, Request{})
	if err != nil {
		t.Fatal(err)
	}
	for streams[0].Progress().Ended == nil {
		readALittle(t, streams[1])
	}
	if got := streams[0].Text(); got != "abcabca" {
		t.Fatalf("kept %q", got)
	}
	if !streams[0].Progress().Finished {
		t.Error("a stream opened with FIN and ended by the peer has not ended")
	}
}

// TestMain checks for leaks. The server's library waits for up to a second after an end for a caller to ask about it.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/moby/spdystream.(*Connection).shutdown"))
}

func TestAProbeTellsHowLongItsAnswerTook(t *testing.T) {
	s := startServer(t, Config{}, func(st *spdystream.Stream) { io.Copy(io.Discard, st) })
	st := open(t, s, nil)
	s.Probe()
	const late = 100 * time.Millisecond
	time.Sleep(late) // without reading
	st.SetReadDeadline(time.Now().Add(30 * time.Second))
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		_ = st.WaitReadable(t.Context()) // only to read
	}()
	for end := time.Now().Add(30 * time.Second); s.State().Proved.IsZero() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if took := s.State().Proving; took < late {
		t.Errorf("the answer took %v", took)
	}
	_ = st.Close()
	<-reading
}

// eofConn wraps the end of its connection, as a carrier of another kind may.
type eofConn struct{ net.Conn }

func (c eofConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		err = fmt.Errorf("in the middle: %w", io.EOF)
	}
	return n, err
}

// The end of a session must not read as the orderly end of a stream, whatever its error wraps.
func TestTheEndOfASessionIsNoOrderlyEndOfAStream(t *testing.T) {
	near, far := tcpPair(t)
	s := NewSession(eofConn{near}, Config{})
	t.Cleanup(s.Close)
	st := open(t, s, nil)
	if err := far.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := st.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, io.EOF) {
		t.Errorf("%d bytes, %v", n, err)
	}
}
