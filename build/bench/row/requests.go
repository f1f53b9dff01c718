package row

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/build/bench/report"
	"fairlead/build/bench/way"
)

const (
	workers     = 32
	requestTime = 2 * time.Second
)

// shortRequests counts requests, 32 at a time, each on a connection that the client closes.
func shortRequests(ctx context.Context, l *Lab) ([]report.Measure, error) {
	reference, err := l.reference(ctx, near)
	if err != nil {
		return nil, err
	}
	limit := report.Reference{Name: "32/R", Value: workers / reference.Value * 1000}
	var measures []report.Measure
	for _, at := range []report.Measure{
		{Reference: limit, Goals: []report.Goal{{Of: report.Baseline, AtLeast: 2.3}, {Of: "32/R", AtLeast: 0.80}}},
		{Goals: []report.Goal{{Of: report.Baseline, AtLeast: 1.5}}},
	} {
		r := time.Duration(none)
		if at.Reference.Name != "" {
			r = near
		}
		at.Work, at.Unit = fmt.Sprintf("short requests, 32 at once, R = %d ms", r.Milliseconds()), "1/s"
		err := countRequests(ctx, l, r, &at)
		measures = append(measures, at)
		if err != nil {
			return measures, err
		}
	}
	return measures, nil
}

func countRequests(ctx context.Context, l *Lab, r time.Duration, m *report.Measure) error {
	target := l.target()
	return l.interleave(ctx, schedule{
		kinds: l.kinds(true), r: r, targets: []way.Target{target}, rounds: 4,
		warm: func(ctx context.Context, t turn) error {
			_, err := requestRate(ctx, t.way, target, requestTime/2)
			return err
		},
		do: func(ctx context.Context, t turn) error {
			rate, err := requestRate(ctx, t.way, target, requestTime)
			if err == nil {
				m.Add(t.name, rate)
			}
			return err
		},
	}, m)
}

// requestRate lets the workers make requests for the time span, and returns the answers per second. A failed request is
// an error.
func requestRate(ctx context.Context, w way.Way, target way.Target, span time.Duration) (float64, error) {
	var count atomic.Int64
	errs := make([]error, workers)
	begun := time.Now()
	end := begun.Add(span)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for errs[i] == nil && time.Now().Before(end) {
				if _, errs[i] = ask(ctx, w, target); errs[i] == nil {
					count.Add(1)
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return float64(count.Load()) / time.Since(begun).Seconds(), nil
}
