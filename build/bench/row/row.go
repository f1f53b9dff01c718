// Package row has the rows of the benchmark: each is a kind of work of a proxy into a cluster, done through every way,
// interleaved, each with a fresh process. It has the clients and the measurements; package way starts the ways, and
// package report evaluates the samples.
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
	Note   string // explains the names of its works
	// Streaming is the reason why it cannot run on a real node; empty if it can.
	Streaming string
	run       func(context.Context, *Lab) ([]report.Measure, error)
}

// All returns the rows in their order.
func All() []Row {
	return []Row{
		{Number: 1, Title: "connect to first answer byte, warm", run: firstByte},
		{Number: 2, Title: "first connection after switching on; a burst of 32", run: firstConnection},
		{Number: 3, Title: "short requests, 32 at once", run: shortRequests},
		{Number: 4, Title: "downloads", run: downloads},
		{Number: 5, Title: "processor time of the proxy", run: processorTime},
		{Number: 6, Title: "stalled and stuck connections among good ones", run: isolation},
		{Number: 7, Title: "500 idle connections", run: idle},
		{Number: 8, Title: "a refused port", run: refused},
		{Number: 9, Title: "half-close", run: halfClose},
		{Number: 10, Title: "a big cluster", Note: CrowdNote, Streaming: "a real node cannot run thousands of Pods", run: crowded},
		{Number: 11, Title: "refusals and new ports where round trips vary", Streaming: "a real node cannot be made slow", run: jitteryLine},
		{Number: 12, Title: "forward proxies as upstreams, next to curl", Note: UpstreamsNote, Streaming: "the cluster has no part in it", run: upstreams},
	}
}

// Run does the row's work and judges it. The failure of a subject is recorded in its measure; an error is one of the
// benchmark itself.
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

// JitteryRoundTrip is the mean round trip of the line with Jitter.
const JitteryRoundTrip = near

// RoundTrips returns the round trips of the rows that use the delay line.
func RoundTrips() []time.Duration { return []time.Duration{near, wide} }
