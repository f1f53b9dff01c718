package proxy_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/proxy"
)

// pipes is a listener whose clients are in this process, so that its time can be a test's.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
	close    func()
}

func newPipes() *pipes {
	p := &pipes{accepted: make(chan net.Conn), closed: make(chan struct{})}
	p.close = sync.OnceFunc(func() { close(p.closed) })
	return p
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.accepted:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.close()
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.accepted <- server
	return client
}

// However many guess at once and in whatever protocol, they are answered some times a second, and the right password at
// once.
func TestWrongPasswordsShareARateAndTheRightOneDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const seconds, guessers, each, burst = 20, 200, 4, 8
		config := guarded(by(func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			_ = far.Close()
			return near, nil
		}))
		ln := newPipes()
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if err := proxy.New(config).Serve(ctx, ln); err != nil {
				t.Error(err)
			}
		})
		began := time.Now()
		var answered, cut atomic.Int64
		for i := range guessers {
			all.Go(func() {
				for time.Since(began) < seconds*time.Second {
					conn := ln.dial()
					got, err := askWithPassword(conn, i%2 == 0, "me", "wrong", "a:1")
					_ = conn.Close()
					switch {
					case got == allowed:
						t.Error("a wrong password passed")
					case time.Since(began) >= seconds*time.Second:
					case err == nil:
						answered.Add(1)
					default:
						cut.Add(1)
						time.Sleep(time.Second)
					}
				}
			})
		}
		for i := range seconds {
			time.Sleep(time.Second)
			asked := time.Now()
			conn := ln.dial()
			if got, err := askWithPassword(conn, i%2 == 0, "me", secret, "a:1"); err != nil || got != allowed || time.Since(asked) > 10*time.Millisecond {
				t.Errorf("the right password: %v, %v, after %s", got, err, time.Since(asked))
			}
			_ = conn.Close()
		}
		time.Sleep(10 * time.Second) // for those that still wait
		cancel()
		all.Wait()
		if most := int64(burst + each*seconds); answered.Load() > most || answered.Load() < most/2 {
			t.Errorf("%d wrong passwords were answered in %d s, %d should be", answered.Load(), seconds, most)
		}
		if cut.Load() == 0 {
			t.Error("no guess was one too many")
		}
	})
}
