package delayline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// A held frame waits for its time to be written back.
type held struct {
	frame []byte
	due   time.Time
}

// queueLength bounds the frames of one round trip that are on their way, as a router's queue does. It is far above
// what a window of TCP on each of some hundred connections fills.
const queueLength = 1 << 17

// A Line carries the packets of one device.
type Line struct {
	device io.ReadWriteCloser // one packet a Read or Write
	wait   func(held)         // returns when it is due
	frames frames
	queues map[time.Duration]chan held
	wg     sync.WaitGroup
}

// New makes the line of a device that Open returned. It does nothing until Run.
func New(device io.ReadWriteCloser) *Line {
	return &Line{device: device, wait: func(h held) { sleepUntil(h.due) }, queues: map[time.Duration]chan held{}}
}

// Run carries packets until ctx ends (then it returns nil) or the device fails. It closes the device.
func (l *Line) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { l.device.Close() })
	err := l.read()
	if stop() {
		l.device.Close()
	}
	for _, queue := range l.queues {
		close(queue)
	}
	l.wg.Wait()
	if ctx.Err() != nil || errors.Is(err, os.ErrClosed) || errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("delay line: %w", err)
}

// read takes packets from the device and queues them, each round trip apart so that a short one never waits behind a
// long one.
func (l *Line) read() error {
	for {
		frame := l.frames.largest()
		n, err := l.device.Read(frame)
		if err != nil {
			return err
		}
		r, ok := roundTrip(frame[:n])
		if !ok {
			l.frames.put(frame)
			continue
		}
		select {
		case l.queue(r) <- held{l.frames.fit(frame, n), time.Now().Add(r / 2)}:
		default: // a full queue drops, as on any road
		}
	}
}

func (l *Line) queue(r time.Duration) chan<- held {
	queue, ok := l.queues[r]
	if !ok {
		queue = make(chan held, queueLength)
		l.queues[r] = queue
		l.wg.Go(func() { l.deliver(queue) })
	}
	return queue
}

// deliver writes the packets of one round trip back, in order, each when it is due.
func (l *Line) deliver(queue <-chan held) {
	for h := range queue {
		l.wait(h)
		turn(h.frame)
		// A packet the kernel does not take (it is short of memory, or the device is closed) is a lost packet.
		_, _ = l.device.Write(h.frame)
		l.frames.put(h.frame)
	}
}
