package soak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"fairlead/build/bench/process"
	"fairlead/build/bench/soak/probe"
	"fairlead/build/clustertest"
)

// A sample is what the process held at one time.
type sample struct {
	at          time.Duration // since the start
	made        int           // connections so far
	goroutines  int
	heap        int64 // bytes of live objects
	memory      int64 // bytes that the process has from the system
	descriptors int
	sessions    int // open at the node
	spare       int // of these, beyond the two that Fairlead keeps for a Pod
	streams     int // connections in them
	programs    int // open connections of the programs
}

const sampleHead = "      time  connections  goroutines  heap KiB  memory KiB  descriptors  sessions  streams  programs"

func (s sample) String() string {
	return fmt.Sprintf("%10s %12d %11d %9d %11d %12d %9d %8d %9d", s.at.Round(time.Second), s.made, s.goroutines, s.heap>>10, s.memory>>10,
		s.descriptors, s.sessions, s.streams, s.programs)
}

// How much more may be held at the end than at the start, both without connections.
const (
	moreGoroutines  = 12
	moreDescriptors = 8
	moreHeap        = 3 << 20
	perSession      = 3 // goroutines of an idle session
	heapPerSession  = 32 << 10
	keptSessions    = 2 // per Pod, even after its end, for five minutes; further ones are closed sooner
)

// leaks returns an error for what grew from one sample to another, both without connections, and should not.
func leaks(before, after sample) error {
	var errs []error
	tooMany := func(what string, before, after, more int) {
		if after > before+more {
			errs = append(errs, fmt.Errorf("%s grew from %d to %d, by more than %d", what, before, after, more))
		}
	}
	sessions := max(0, after.sessions-before.sessions)
	tooMany("goroutines", before.goroutines, after.goroutines, moreGoroutines+perSession*sessions)
	tooMany("descriptors", before.descriptors, after.descriptors, moreDescriptors+sessions)
	tooMany("live heap (bytes)", int(before.heap), int(after.heap), moreHeap+heapPerSession*sessions)
	tooMany("connections of the programs", 0, after.programs, 0)
	tooMany("connections at the node", 0, after.streams, 0)
	return errors.Join(errs...)
}

// A gauge measures what one Fairlead holds.
type gauge struct {
	process  *process.Process
	client   *http.Client
	cluster  *clustertest.Cluster
	programs *programs
	begun    time.Time
}

func newGauge(p *process.Process, socket string, cluster *clustertest.Cluster, programs *programs) *gauge {
	transport := &http.Transport{
		DisableKeepAlives: true, // so that connections of this client are not counted
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}
	return &gauge{process: p, client: &http.Client{Transport: transport}, cluster: cluster, programs: programs, begun: time.Now()}
}

func (g *gauge) get(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://fairlead"+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := g.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("query the probe: %w", err)
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}

// read takes a sample. It includes the probe's own connection and goroutines, the same each time.
func (g *gauge) read(ctx context.Context, made int) (sample, error) {
	s := sample{at: time.Since(g.begun), made: made, programs: g.programs.openNow()}
	text, err := g.get(ctx, probe.PathNumbers)
	if err != nil {
		return s, err
	}
	var numbers probe.Numbers
	if err := json.Unmarshal(text, &numbers); err != nil {
		return s, err
	}
	s.goroutines, s.heap = numbers.Goroutines, int64(numbers.Heap)
	if s.memory, err = g.process.Memory(); err != nil {
		return s, err
	}
	if s.descriptors, err = g.process.Descriptors(); err != nil {
		return s, err
	}
	stats, err := g.cluster.Stats(ctx)
	s.sessions = int(stats.SessionsOpen())
	for _, pod := range stats.Pods {
		// A connection that a runtime attempted while the Pod's network was torn down is retried for two minutes,
		// whatever Fairlead does.
		if !pod.Gone {
			s.streams += int(pod.StreamsOpen)
		}
		s.spare += max(0, int(pod.SessionsOpen)-keptSessions)
	}
	return s, err
}

// rest takes samples until settled reports true for one, for at most longest, and returns the last.
func (g *gauge) rest(ctx context.Context, made int, longest time.Duration, settled func(sample) bool) (sample, error) {
	end := time.Now().Add(longest)
	for {
		s, err := g.read(ctx, made)
		if err != nil || settled(s) || time.Now().After(end) {
			return s, err
		}
		if err := sleep(ctx, 500*time.Millisecond); err != nil {
			return s, err
		}
	}
}

// writeGoroutines writes the stacks of the goroutines to a file.
func (g *gauge) writeGoroutines(ctx context.Context, path string) error {
	text, err := g.get(ctx, probe.PathGoroutines)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}
