package row

import (
	"context"
	"fmt"
	"time"

	"fairlead/build/bench/report"
	"fairlead/build/bench/way"
)

const (
	idleCount = 500
	// settle is how long a runtime gets to become idle after the connections were made; no garbage collection is
	// forced.
	settle = 2 * time.Second
	// sessionCap is the number of sessions that Fairlead may open with one pod.
	sessionCap = 32
)

// idle measures the cost of idle connections.
func idle(ctx context.Context, l *Lab) ([]report.Measure, error) {
	memory := report.Measure{Work: "memory for each of 500 idle connections", Unit: "KiB", Lower: true, Goals: []report.Goal{{AtMost: 20}}}
	goroutines := report.Measure{Work: "goroutines for each of 500 idle connections", Lower: true, Goals: []report.Goal{{AtMost: 2}}}
	sessions := report.Measure{Work: "sessions on the node for 500 idle connections", Lower: true, Goals: []report.Goal{{AtMost: sessionCap}}}
	target := l.target()
	left, err := l.sessionsLeft(ctx)
	if err != nil {
		return nil, err
	}
	err = l.interleave(ctx, schedule{
		kinds: l.kinds(false), r: none, targets: []way.Target{target}, rounds: 3, fresh: true,
		do: func(ctx context.Context, t turn) error {
			atRest, err := l.goroutinesAtRest(ctx, t.kind, target)
			if err != nil {
				return err
			}
			cost, err := l.idleCost(ctx, t.way, target)
			if err == nil {
				memory.Add(t.name, cost.kibibytes)
				sessions.Add(t.name, float64(cost.sessions-left))
				goroutines.Add(t.name, float64(cost.goroutines-atRest)/idleCount)
			}
			return err
		},
	}, &memory, &goroutines, &sessions)
	return []report.Measure{memory, goroutines, sessions}, err
}

// sessionsLeft returns the number of sessions that earlier rows left on the node: a blocked one may stay open when its
// client is gone. It waits for those that are about to end.
func (l *Lab) sessionsLeft(ctx context.Context) (int, error) {
	before := -1
	for {
		now, err := l.Sessions(ctx)
		if err != nil || now == before {
			return now, err
		}
		before = now
		if err := pause(ctx, settle); err != nil {
			return 0, err
		}
	}
}

// goroutinesAtRest returns the number of goroutines of a fresh process with one idle connection.
func (l *Lab) goroutinesAtRest(ctx context.Context, k way.Kind, target way.Target) (int, error) {
	w, err := l.open(ctx, k, schedule{r: none, targets: []way.Target{target}})
	if err != nil {
		return 0, err
	}
	defer w.Close()
	conns, err := connectAll(ctx, w, target, 1)
	if err != nil {
		return 0, err
	}
	defer closeAll(conns)
	return endForGoroutines(w)
}

// endForGoroutines ends the way's processes and returns the number of their goroutines.
func endForGoroutines(w way.Way) (int, error) {
	var total int
	for _, p := range w.Processes() {
		n, err := p.Goroutines()
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

type idleCost struct {
	kibibytes            float64 // per connection
	sessions, goroutines int     // in total
}

// idleCost opens the connections and returns what the way's processes hold in addition to what they held with one. It
// ends the processes.
func (l *Lab) idleCost(ctx context.Context, w way.Way, target way.Target) (idleCost, error) {
	first, err := connectAll(ctx, w, target, 1)
	if err != nil {
		return idleCost{}, err
	}
	defer closeAll(first)
	before, err := settledMemory(ctx, w)
	if err != nil {
		return idleCost{}, err
	}
	conns, err := connectAll(ctx, w, target, idleCount)
	if err != nil {
		return idleCost{}, err
	}
	defer closeAll(conns)
	after, err := settledMemory(ctx, w)
	if err != nil {
		return idleCost{}, err
	}
	sessions, err := l.Sessions(ctx)
	if err != nil {
		return idleCost{}, fmt.Errorf("sessions of the node: %w", err)
	}
	goroutines, err := endForGoroutines(w)
	return idleCost{float64(after-before) / 1024 / idleCount, sessions, goroutines}, err
}

func settledMemory(ctx context.Context, w way.Way) (int64, error) {
	if err := pause(ctx, settle); err != nil {
		return 0, err
	}
	var total int64
	for _, p := range w.Processes() {
		bytes, err := p.Memory()
		if err != nil {
			return 0, err
		}
		total += bytes
	}
	return total, nil
}
