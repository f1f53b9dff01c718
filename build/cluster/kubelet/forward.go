package kubelet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// linger is how long one direction of a forwarded connection may continue after the other has ended.
const linger = time.Second

const (
	// noticed is how long after the end of a Pod's programs its network begins to be torn down; until then its ports
	// refuse.
	noticed = 200 * time.Millisecond
	// teardown is how long tearing the network down takes; meanwhile a connection gets no answer, not even a refusal.
	teardown = 30 * time.Millisecond
)

// synPatience is how long a connection without an answer is retried (tcp(7), tcp_syn_retries).
const synPatience = 130 * time.Second

var errStopping = errors.New("the node is stopping")

// PortForward relays one stream to a port of a pod. It behaves as containerd does: the end of one direction is never
// passed on as a half-close, the other direction has one more second, and then both are closed; and it closes the data
// stream before it returns, which is before its caller, the CRI streaming library, writes the error to the error
// stream.
func (k *Kubelet) PortForward(ctx context.Context, sandbox string, number int32, stream io.ReadWriteCloser) error {
	if !k.beginWork() {
		return errStopping
	}
	done := sync.OnceFunc(k.work.Done)
	defer done()
	k.mu.Lock()
	p := k.sandboxes[sandbox]
	k.mu.Unlock()
	if p == nil {
		return fmt.Errorf("failed to find sandbox %q in store: not found", sandbox)
	}
	dropped, phase := p.enter()
	defer p.leave()
	if phase == networkGone {
		return fmt.Errorf("network namespace for sandbox %q is closed", sandbox)
	}
	defer func() {
		done() // closing waits for an acknowledgement of the client, which may never come
		_ = stream.Close()
	}()
	// Determined before the stream is counted: a test that sees it counted may heal the Pod immediately.
	delay := k.faults.delayOf(p.name)
	p.counts.streamsOpen.Add(1)
	p.counts.streams.Add(1)
	defer p.counts.streamsOpen.Add(-1)
	if phase == tearingDown || !sleepUntil(p.alive.Done(), delay.Connect) {
		sleepUntil(k.stopping.Done(), synPatience)
		return p.unreachable(number, "connect: connection timed out")
	}
	dialCtx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(p.alive, cancel)()
	defer cancel()
	conn, err := k.dial(dialCtx, p, number)
	if err != nil {
		p.counts.refused.Add(1)
		return err
	}
	defer conn.Close()
	return k.relay(p, conn, stream, dropped)
}

// resettable is implemented by the streams of the CRI library.
type resettable interface{ Reset() error }

// relay copies in both directions until the connection has ended. The copy that reads the stream ends only when its
// session or its client ends it, so Run waits for it, and relay does not.
func (k *Kubelet) relay(p *pod, conn net.Conn, stream io.ReadWriter, dropped <-chan struct{}) error {
	ended := make(chan error, 2)
	// A session with unread bytes is not read any further, so its end would never be noticed: the stream that blocks it
	// has to be reset first.
	release := context.AfterFunc(k.stopping, func() {
		if stream, ok := stream.(resettable); ok {
			_ = stream.Reset()
		}
	})
	k.work.Go(func() {
		_, err := io.Copy(countingWriter{stream, &p.counts.bytesOut}, conn)
		ended <- err
	})
	k.work.Go(func() {
		_, err := io.Copy(countingWriter{conn, &p.counts.bytesIn}, stream)
		ended <- err
		if err == nil {
			release() // it was read to the end
		}
	})
	reset := fmt.Errorf("failed to execute portforward in network namespace %q: %w", p.namespace(), syscall.ECONNRESET)
	var first error
	select {
	case first = <-ended:
	case <-dropped:
		return reset
	case <-k.stopping.Done():
		return nil
	}
	timer := time.NewTimer(linger)
	defer timer.Stop()
	select {
	case second := <-ended:
		if first == nil {
			first = second
		}
	case <-timer.C:
	case <-dropped:
		return reset
	case <-k.stopping.Done():
	}
	if first != nil {
		return fmt.Errorf("failed to execute portforward in network namespace %q: %w", p.namespace(), first)
	}
	return nil
}

func sleepUntil(done <-chan struct{}, pause time.Duration) bool {
	if pause <= 0 {
		return true
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-done:
		return false
	case <-timer.C:
		return true
	}
}
