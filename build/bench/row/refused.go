package row

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/build/bench/report"
	"fairlead/build/bench/way"
)

const (
	bystanders = 100
	// closedPort is the first of some ports of the pod on which nothing listens. Each is used once, so that no refusal
	// comes from a cache.
	closedPort  = 21001
	closedPorts = 10
	aliveWithin = 5 * time.Second
)

// refused measures how soon a client learns that nothing listens, and counts the other connections that stay open.
func refused(ctx context.Context, l *Lab) ([]report.Measure, error) {
	reference, err := l.reference(ctx, near)
	if err != nil {
		return nil, err
	}
	known := report.Measure{
		Work: "a refused port is known to the client, R = 40 ms", Unit: "ms", Lower: true, Reference: reference,
		Goals: []report.Goal{{AtMost: 1.1*reference.Value + 10, Text: "≤ 1.1 R + 10 ms"}},
	}
	alive := report.Measure{Work: "of 100 other connections, alive after refusals", Goals: []report.Goal{{AtLeast: bystanders}}}
	targets := []way.Target{l.target()}
	for i := range closedPorts {
		targets = append(targets, l.targetByIP(closedPort+i))
	}
	err = l.interleave(ctx, schedule{
		kinds: l.kinds(false), r: near, targets: targets, rounds: 2, fresh: true,
		do: func(ctx context.Context, t turn) error {
			conns, err := connectAll(ctx, t.way, targets[0], bystanders)
			if err != nil {
				return err
			}
			defer closeAll(conns)
			times, err := refusals(ctx, t.way, targets[1:], conns[0])
			if err != nil {
				return err
			}
			known.Add(t.name, times...)
			alive.Add(t.name, float64(countAlive(conns)))
			return nil
		},
	}, &known, &alive)
	return []report.Measure{known, alive}, err
}

// refusals connects to closed ports and returns the time to each refusal. It stops after one that broke the bystander's
// connection: a broken way no longer refuses.
func refusals(ctx context.Context, w way.Way, targets []way.Target, bystander net.Conn) ([]float64, error) {
	var times []float64
	for _, target := range targets {
		took, err := refusal(ctx, w, target)
		if err != nil {
			return nil, err
		}
		times = append(times, milliseconds(took))
		if countAlive([]net.Conn{bystander}) == 0 {
			break
		}
	}
	return times, nil
}

// refusal returns the time from before the connect until the client knows, from a SOCKS5 reply or from the end of its
// connection. A refusal by a local port does not come from the cluster.
func refusal(ctx context.Context, w way.Way, target way.Target) (time.Duration, error) {
	begun := time.Now()
	conn, err := connect(ctx, w, target)
	var said *way.Refused
	if errors.As(err, &said) {
		return time.Since(begun), nil
	}
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	// The client writes first, though nothing reads it.
	_, writeErr := conn.Write([]byte("hello"))
	n, err := conn.Read(make([]byte, 8))
	took := time.Since(begun)
	if n > 0 {
		return 0, fmt.Errorf("a port on which nothing listens answered")
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, errors.Join(fmt.Errorf("a refused connection did not end: %w", err), writeErr)
	}
	return took, nil
}

// countAlive returns the number of connections that still echo.
func countAlive(conns []net.Conn) int64 {
	var alive atomic.Int64
	var wg sync.WaitGroup
	for _, conn := range conns {
		wg.Go(func() {
			if err := conn.SetDeadline(time.Now().Add(aliveWithin)); err != nil {
				return
			}
			back := make([]byte, 8)
			if _, err := conn.Write([]byte("still")); err != nil {
				return
			}
			if n, err := conn.Read(back); err == nil && n > 0 {
				alive.Add(1)
			}
		})
	}
	wg.Wait()
	return alive.Load()
}
