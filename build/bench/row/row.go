// Package row holds the rows of the benchmark: each a kind of work that a proxy into a cluster does, done through every
// way side by side, interleaved, each with a fresh process. It knows how to be a client and what to time; how the ways
// are started is package way's, what is made of the samples is package report's.
package row

import (
	"context"
	"time"

	"fairlead/build/bench/report"
)

// A Row is one of the benchmark's rows.
type Row struct {
	Number int
	Title  string
	run    func(context.Context, *Lab) ([]report.Measure, error)
}

// All are the rows in their order.
func All() []Row {
	return []Row{
		{1, "connect to first answer byte, warm", firstByte},
		{2, "first connection after switching on; a burst of 32", firstConnection},
		{3, "short requests, 32 at once", shortRequests},
		{4, "downloads", downloads},
		{5, "processor time of the proxy", processorTime},
		{6, "stalled and stuck connections beside good ones", isolation},
		{7, "500 idle connections", idle},
		{8, "a refused port", refused},
		{9, "half-close", halfClose},
		{10, "a big cluster", crowded},
	}
}

// Run does the row's work and judges it. What one subject cannot do stands in its measure; an error is the
// benchmark's own.
func (r Row) Run(ctx context.Context, l *Lab) ([]report.Measure, error) {
	measures, err := r.run(ctx, l)
	for i := range measures {
		measures[i].Row = r.Number
		measures[i].Judge()
	}
	return measures, err
}

// The round trips of the rows.
const (
	none = 0 // no delay line
	near = 40 * time.Millisecond
	wide = 160 * time.Millisecond
)

// RoundTrips are those of the rows that go through the delay line.
func RoundTrips() []time.Duration { return []time.Duration{near, wide} }
