package row

import (
	"context"
	"slices"
	"time"

	"fairlead/build/bench/far"
	"fairlead/build/bench/report"
	"fairlead/build/bench/way"
)

// downloads measures throughput where TCP's window limits it, at R = 40 ms, and where the processor does, at R = 0.
func downloads(ctx context.Context, l *Lab) ([]report.Measure, error) {
	var measures []report.Measure
	for _, at := range []struct {
		work     string
		r        time.Duration
		transfer transfer
		goal     float64
	}{
		{"16 downloads, R = 40 ms", near, transfer{program: far.Source, conns: 16, ramp: 1500 * time.Millisecond, window: 2500 * time.Millisecond}, 2.5},
		{"one download, R = 0 ms", none, transfer{program: far.Source, conns: 1, ramp: 300 * time.Millisecond, window: 2 * time.Second}, 1.2},
	} {
		at.transfer.target = l.target()
		m := report.Measure{Work: at.work, Unit: "MiB/s", Goals: []report.Goal{{Of: report.Baseline, AtLeast: at.goal}}}
		err := l.interleave(ctx, schedule{
			kinds: l.kinds(true), r: at.r, targets: []way.Target{at.transfer.target}, rounds: 3, fresh: true,
			do: func(ctx context.Context, t turn) error {
				result, err := at.transfer.run(ctx, t.way)
				if err == nil {
					m.Add(t.name, result.mebibytesPerSecond())
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

// processorTime measures the way's processor time per byte, on one connection without delay.
func processorTime(ctx context.Context, l *Lab) ([]report.Measure, error) {
	var measures []report.Measure
	// Plain TCP has no process to measure.
	kinds := slices.DeleteFunc(l.kinds(true), func(k way.Kind) bool { return k == way.Kind(way.TCP{}) })
	for _, at := range []struct {
		work    string
		program far.Program
		goal    float64
	}{
		{"processor time, one download, R = 0 ms", far.Source, 0.5},
		{"processor time, one upload, R = 0 ms", far.Sink, 0.7},
	} {
		bulk := transfer{target: l.target(), program: at.program, conns: 1, ramp: 300 * time.Millisecond, window: 2 * time.Second}
		m := report.Measure{Work: at.work, Unit: "s/GiB", Lower: true, Goals: []report.Goal{{Of: report.Baseline, AtMost: at.goal}}}
		err := l.interleave(ctx, schedule{
			kinds: kinds, r: none, targets: []way.Target{bulk.target}, rounds: 3, fresh: true,
			do: func(ctx context.Context, t turn) error {
				result, err := bulk.run(ctx, t.way)
				if err == nil {
					m.Add(t.name, result.cpuSecondsPerGibibyte())
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
