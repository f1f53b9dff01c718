package row

import (
	"context"
	"fmt"
	"sync"
	"time"

	"fairlead/build/bench/report"
	"fairlead/build/bench/way"
)

// firstByte measures single connections through ways that have been used before.
func firstByte(ctx context.Context, l *Lab) ([]report.Measure, error) {
	var measures []report.Measure
	for _, at := range []struct {
		r      time.Duration
		rounds int
	}{{near, 31}, {wide, 15}} {
		reference, err := l.reference(ctx, at.r)
		if err != nil {
			return measures, err
		}
		m := report.Measure{
			Work: fmt.Sprintf("first byte, warm, R = %d ms", at.r.Milliseconds()), Unit: "ms", Lower: true, Reference: reference,
			Goals: []report.Goal{{Of: "R", AtMost: 1.10}, {Of: report.Baseline, AtMost: 0.36}},
		}
		target := l.target()
		err = l.interleave(ctx, schedule{
			kinds: l.kinds(true), r: at.r, targets: []way.Target{target}, rounds: at.rounds,
			warm: func(ctx context.Context, t turn) error { return askTimes(ctx, t.way, target, 3) },
			do: func(ctx context.Context, t turn) error {
				took, err := ask(ctx, t.way, target)
				if err == nil {
					m.Add(t.name, milliseconds(took))
				}
				return err
			},
		}, &m)
		measures = append(measures, m)
		if err != nil {
			return measures, err
		}
	}
	return measures, nil
}

func askTimes(ctx context.Context, w way.Way, t way.Target, n int) error {
	for range n {
		if _, err := ask(ctx, w, t); err != nil {
			return err
		}
	}
	return nil
}

// firstConnection measures the first connection of a process, and a burst after one. kubectl port-forward has dialled
// its session before it accepts a connection; Fairlead, a proxy, does not know the target before.
func firstConnection(ctx context.Context, l *Lab) ([]report.Measure, error) {
	reference, err := l.reference(ctx, near)
	if err != nil {
		return nil, err
	}
	byName, byIP := l.target(), l.targetByIP(l.Pod.Port)
	var measures []report.Measure
	for _, first := range []struct {
		work   string
		target way.Target
		after  time.Duration
		goals  []report.Goal
	}{
		// A user also needs a moment between the click and the first request.
		{"first connection, a second later, a Pod by IP, R = 40 ms", byIP, time.Second, []report.Goal{{Of: "R", AtMost: 4.3}}},
		{"first connection, a second later, a new Service by name, R = 40 ms", byName, time.Second, []report.Goal{{Of: "R", AtMost: 5.3}}},
		// For information: nothing could be prepared before.
		{"first connection, at once, a Pod by IP, R = 40 ms", byIP, 0, nil},
		{"first connection, at once, a new Service by name, R = 40 ms", byName, 0, nil},
	} {
		m := report.Measure{Work: first.work, Unit: "ms", Lower: true, Reference: reference, Goals: first.goals}
		err := l.interleave(ctx, schedule{
			kinds: l.kinds(false), r: near, targets: []way.Target{first.target}, rounds: 5, fresh: true,
			warm: func(ctx context.Context, _ turn) error { return pause(ctx, first.after) },
			do: func(ctx context.Context, t turn) error {
				took, err := ask(ctx, t.way, first.target)
				if err == nil {
					m.Add(t.name, milliseconds(took))
				}
				return err
			},
		}, &m)
		measures = append(measures, m)
		if err != nil {
			return measures, err
		}
	}
	bursts, err := burst(ctx, l, reference, byName)
	return append(measures, bursts...), err
}

// burstSize is the number of simultaneous connections.
const burstSize = 32

func burst(ctx context.Context, l *Lab, reference report.Reference, target way.Target) ([]report.Measure, error) {
	half := report.Measure{
		Work: "burst of 32, one session warm, R = 40 ms: p50", Unit: "ms", Lower: true, Reference: reference,
		Goals: []report.Goal{{Of: "R", AtMost: 1.3}},
	}
	most := report.Measure{
		Work: "burst of 32, one session warm, R = 40 ms: p90", Unit: "ms", Lower: true, Reference: reference,
		Goals: []report.Goal{{Of: "R", AtMost: 2}},
	}
	err := l.interleave(ctx, schedule{
		kinds: l.kinds(false), r: near, targets: []way.Target{target}, rounds: 5, fresh: true,
		warm: func(ctx context.Context, t turn) error { return askTimes(ctx, t.way, target, 1) },
		do: func(ctx context.Context, t turn) error {
			times, err := askAtOnce(ctx, t.way, target)
			if err == nil {
				half.Add(t.name, report.Quantile(times, 0.5))
				most.Add(t.name, report.Quantile(times, 0.9))
			}
			return err
		},
	}, &half, &most)
	return []report.Measure{half, most}, err
}

// askAtOnce makes a burst of requests and returns the time of each, in milliseconds.
func askAtOnce(ctx context.Context, w way.Way, target way.Target) ([]float64, error) {
	times := make([]float64, burstSize)
	errs := make([]error, burstSize)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range burstSize {
		wg.Go(func() {
			<-start
			var took time.Duration
			took, errs[i] = ask(ctx, w, target)
			times[i] = milliseconds(took)
		})
	}
	close(start)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return times, nil
}
