package row

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/build/bench/far"
	"fairlead/build/bench/report"
	"fairlead/build/bench/way"
)

const (
	echoing    = 10
	echoSize   = 1000
	echoPause  = 5 * time.Millisecond
	echoWindow = 2 * time.Second
	stuckAfter = 500 * time.Millisecond // an upload without progress for this long counts as stuck
	stuckBound = 10 * time.Second
)

// isolation measures the effect of stalled connections, and of a bulk download, on other connections.
func isolation(ctx context.Context, l *Lab) ([]report.Measure, error) {
	stalled, err := withStalled(ctx, l)
	if err != nil {
		return []report.Measure{stalled}, err
	}
	bulk, err := withBulk(ctx, l)
	return []report.Measure{stalled, bulk}, err
}

func withStalled(ctx context.Context, l *Lab) (report.Measure, error) {
	m := report.Measure{
		Work: "rate kept with a stalled reader and a stuck upload", Unit: "part of before",
		Goals: []report.Goal{{AtLeast: 0.95}},
	}
	target := l.target()
	err := l.interleave(ctx, schedule{
		kinds: l.kinds(false), r: none, targets: []way.Target{target}, rounds: 3, fresh: true,
		do: func(ctx context.Context, t turn) error {
			kept, err := keptWithStalled(ctx, t.way, target)
			if err == nil {
				m.Add(t.name, kept)
			}
			return err
		},
	}, &m)
	return m, err
}

// keptWithStalled returns the rate of the echoing connections while stalled ones are open, as a fraction of the rate
// before.
func keptWithStalled(ctx context.Context, w way.Way, target way.Target) (float64, error) {
	conns, err := connectAll(ctx, w, target, echoing)
	if err != nil {
		return 0, err
	}
	echoes := startEchoes(conns)
	defer echoes.stop()
	before, err := echoes.rate(ctx)
	if err != nil {
		return 0, err
	}
	// The source never ends: more bytes are pending for a reader that stops than all buffers in between can hold.
	reader, err := connect(ctx, w, target)
	if err != nil {
		return 0, err
	}
	defer reader.Close()
	if _, err := reader.Write([]byte{byte(far.Source)}); err != nil {
		return 0, err
	}
	if _, err := reader.Read(make([]byte, 64<<10)); err != nil {
		return 0, fmt.Errorf("start to read: %w", err)
	}
	upload, err := connect(ctx, w, target)
	if err != nil {
		return 0, err
	}
	if err := upload.SetDeadline(time.Time{}); err != nil {
		return 0, err
	}
	stuck := &flow{program: far.Mute}
	defer stuck.stop()
	stuck.add(upload)
	if err := stuck.waitStuck(ctx); err != nil {
		return 0, err
	}
	after, err := echoes.rate(ctx)
	return after / before, err
}

// waitStuck returns when no byte has been transferred for a while.
func (f *flow) waitStuck(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stuckBound)
	defer cancel()
	for before := int64(-1); before != f.bytes.Load(); {
		before = f.bytes.Load()
		if err := pause(ctx, stuckAfter); err != nil {
			return fmt.Errorf("an upload that is not read still makes progress after %s: %w", stuckBound, err)
		}
	}
	return nil
}

// echoes are connections each of which echoes a message, pauses, and so on.
type echoes struct {
	conns []net.Conn
	count atomic.Int64
	wg    sync.WaitGroup
}

func startEchoes(conns []net.Conn) *echoes {
	e := &echoes{conns: conns}
	for _, conn := range conns {
		e.wg.Go(func() {
			message, back := make([]byte, echoSize), make([]byte, echoSize)
			for {
				if _, err := echo(conn, message, back); err != nil {
					return // one that stopped no longer counts, which shows in the rate
				}
				e.count.Add(1)
				time.Sleep(echoPause)
			}
		})
	}
	return e
}

// rate returns the current number of echoes per second.
func (e *echoes) rate(ctx context.Context) (float64, error) {
	before, begun := e.count.Load(), time.Now()
	if err := pause(ctx, echoWindow); err != nil {
		return 0, err
	}
	return float64(e.count.Load()-before) / time.Since(begun).Seconds(), nil
}

func (e *echoes) stop() {
	closeAll(e.conns)
	e.wg.Wait()
}

func withBulk(ctx context.Context, l *Lab) (report.Measure, error) {
	reference, err := l.reference(ctx, near)
	m := report.Measure{
		Work: "echo during a bulk download, R = 40 ms: p50", Unit: "ms", Lower: true, Reference: reference,
		Goals: []report.Goal{{Of: "R", AtMost: 1.15}},
	}
	if err != nil {
		return m, err
	}
	target := l.target()
	err = l.interleave(ctx, schedule{
		kinds: l.kinds(true), r: near, targets: []way.Target{target}, rounds: 3, fresh: true,
		do: func(ctx context.Context, t turn) error {
			samples, err := echoWithBulk(ctx, t.way, target)
			if err == nil {
				m.Add(t.name, report.Quantile(samples, 0.5))
			}
			return err
		},
	}, &m)
	return m, err
}

func echoWithBulk(ctx context.Context, w way.Way, target way.Target) ([]float64, error) {
	bulk, err := connect(ctx, w, target)
	if err != nil {
		return nil, err
	}
	if err := bulk.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	download := &flow{program: far.Source}
	defer download.stop()
	download.add(bulk)
	conns, err := connectAll(ctx, w, target, 1)
	if err != nil {
		return nil, err
	}
	defer closeAll(conns)
	if err := pause(ctx, time.Second); err != nil {
		return nil, err
	}
	var samples []float64
	message := make([]byte, echoSize)
	for range 15 {
		took, err := echo(conns[0], message, make([]byte, echoSize))
		if err != nil {
			return nil, err
		}
		samples = append(samples, milliseconds(took))
	}
	return samples, download.err()
}
