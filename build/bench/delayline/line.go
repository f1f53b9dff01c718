package delayline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"time"
)

// A heldFrame is a frame that waits until it is due.
type heldFrame struct {
	frame []byte
	due   time.Time
}

// Bounds of the queued frames of one road, as in a router. The first is far more than the TCP windows of some hundred
// connections fill; a road with jitter has one direction of one connection.
const (
	queueLength         = 1 << 17
	jitteredQueueLength = 1 << 12
)

// A Line delays the packets of one device.
type Line struct {
	device io.ReadWriteCloser // one packet per Read or Write
	wait   func(heldFrame)    // returns when the frame is due
	frames frames
	random *rand.Rand // used by the reading goroutine only
	queues map[road]*queue
	wg     sync.WaitGroup
}

// A queue holds the frames of one road.
type queue struct {
	frames chan heldFrame
	last   time.Time // when the last queued frame is due
}

// New returns a line for a device that Open returned. It does nothing until Run is called.
func New(device io.ReadWriteCloser) *Line {
	return &Line{
		device: device, wait: func(h heldFrame) { sleepUntil(h.due) }, random: rand.New(rand.NewPCG(1, 1)), queues: map[road]*queue{},
	}
}

// Run delays packets until ctx ends, when it returns nil, or the device fails. It closes the device.
func (l *Line) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = l.device.Close() })
	err := l.read()
	if stop() {
		_ = l.device.Close()
	}
	for _, queue := range l.queues {
		close(queue.frames)
	}
	l.wg.Wait()
	if ctx.Err() != nil || errors.Is(err, os.ErrClosed) || errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("delay line: %w", err)
}

// read reads packets from the device and queues them, with a queue for each road so that a short one never waits behind
// a long one.
func (l *Line) read() error {
	for {
		frame := l.frames.largest()
		n, err := l.device.Read(frame)
		if err != nil {
			return err
		}
		r, ok := roadOf(frame[:n])
		if !ok {
			l.frames.put(frame)
			continue
		}
		queue := l.queue(r)
		due := time.Now().Add(l.hold(r))
		if due.Before(queue.last) {
			due = queue.last
		}
		select {
		case queue.frames <- heldFrame{l.frames.fit(frame, n), due}:
			queue.last = due
		default: // a full queue drops packets, as in any router
		}
	}
}

// hold returns how long a packet is delayed: half the round trip, plus or minus up to half the jitter.
func (l *Line) hold(r road) time.Duration {
	if r.jitter == 0 {
		return r.roundTrip / 2
	}
	return (r.roundTrip-r.jitter)/2 + time.Duration(l.random.Int64N(int64(r.jitter)+1))
}

func (l *Line) queue(r road) *queue {
	q, ok := l.queues[r]
	if !ok {
		length := queueLength
		if r.jitter > 0 {
			length = jitteredQueueLength
		}
		q = &queue{frames: make(chan heldFrame, length)}
		l.queues[r] = q
		l.wg.Go(func() { l.deliver(q.frames) })
	}
	return q
}

// deliver writes the packets of one road back in order, each when it is due.
func (l *Line) deliver(queue <-chan heldFrame) {
	for h := range queue {
		l.wait(h)
		turn(h.frame)
		// A packet that the kernel does not accept, for lack of memory or because the device is closed, is lost.
		_, _ = l.device.Write(h.frame)
		l.frames.put(h.frame)
	}
}
