package row

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/build/bench/far"
	"fairlead/build/bench/way"
)

// A transfer is bulk data through several connections at once.
type transfer struct {
	target  way.Target
	program far.Program
	conns   int
	ramp    time.Duration // before the measurement, for TCP to open its window
	window  time.Duration // how long the measurement lasts
}

// A transferResult is what a transfer measured.
type transferResult struct {
	bytes int64
	time  time.Duration
	cpu   time.Duration // processor time of the way's processes
}

func (r transferResult) mebibytesPerSecond() float64 {
	return float64(r.bytes) / (1 << 20) / r.time.Seconds()
}

func (r transferResult) cpuSecondsPerGibibyte() float64 {
	return r.cpu.Seconds() / (float64(r.bytes) / (1 << 30))
}

const bulkBuffer = 256 << 10

// run transfers data, measures it and then closes the connections.
func (t transfer) run(ctx context.Context, w way.Way) (transferResult, error) {
	flow := &flow{program: t.program}
	defer flow.stop()
	for range t.conns {
		conn, err := connect(ctx, w, t.target)
		if err != nil {
			return transferResult{}, err
		}
		if err := conn.SetDeadline(time.Time{}); err != nil {
			return transferResult{}, err
		}
		flow.add(conn)
	}
	if err := pause(ctx, t.ramp); err != nil {
		return transferResult{}, err
	}
	bytesBefore, begun := flow.bytes.Load(), time.Now()
	cpuBefore, err := cpu(w)
	if err != nil {
		return transferResult{}, err
	}
	if err := pause(ctx, t.window); err != nil {
		return transferResult{}, err
	}
	result := transferResult{bytes: flow.bytes.Load() - bytesBefore, time: time.Since(begun)}
	cpuAfter, err := cpu(w)
	if err != nil {
		return transferResult{}, err
	}
	result.cpu = cpuAfter - cpuBefore
	if err := flow.err(); err != nil {
		return transferResult{}, err
	}
	if result.bytes == 0 {
		return transferResult{}, errors.New("nothing moved")
	}
	return result, nil
}

// A flow keeps connections busy until it is stopped.
type flow struct {
	program far.Program
	bytes   atomic.Int64
	wg      sync.WaitGroup
	conns   []net.Conn
	broken  atomic.Pointer[error]
}

func (f *flow) add(conn net.Conn) {
	f.conns = append(f.conns, conn)
	f.wg.Go(func() {
		buffer := make([]byte, bulkBuffer)
		move := conn.Write
		if f.program == far.Source {
			move = conn.Read
		}
		if _, err := conn.Write([]byte{byte(f.program)}); err != nil {
			f.broken.CompareAndSwap(nil, &err)
			return
		}
		for {
			n, err := move(buffer)
			f.bytes.Add(int64(n))
			if err != nil {
				f.broken.CompareAndSwap(nil, &err)
				return
			}
		}
	})
}

// err returns the error of the first connection that failed, or nil.
func (f *flow) err() error {
	if err := f.broken.Load(); err != nil {
		return fmt.Errorf("a connection of a transfer: %w", *err)
	}
	return nil
}

func (f *flow) stop() {
	closeAll(f.conns)
	f.wg.Wait()
}

// cpu returns the processor time that the way's processes have used.
func cpu(w way.Way) (time.Duration, error) {
	var total time.Duration
	for _, p := range w.Processes() {
		used, err := p.CPU()
		if err != nil {
			return 0, err
		}
		total += used
	}
	return total, nil
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
