package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"fairlead/build/bench/soak/probe"
	"fairlead/build/bench/way"
	"fairlead/build/clustertest"
)

// Config configures a soak. All fields are required.
type Config struct {
	Cluster  *clustertest.Cluster
	Fairlead string        // the program, from Build
	Dir      string        // for logs; it must exist
	For      time.Duration // how long connections are made with faults
	Warm     time.Duration // how long they are made before, without faults
	Rest     time.Duration // the longest wait for all connections to end, after each of the two
	Reaped   bool          // also wait until Fairlead has closed the sessions that it need not keep
	Rate     int           // connections a second
	Pace     time.Duration // about the time from one fault to the next
	Every    time.Duration // from one sample that is printed to the next
	Say      func(format string, args ...any)
}

// soak is the state of one run.
type soak struct {
	Config
	testbed  *testbed
	programs *programs
	way      way.Way
	gauge    *gauge

	ids  atomic.Uint64
	mu   sync.Mutex
	made []record
	late int // connections that were not made because too many were open
}

// atMost bounds the number of open connections: more mean that they do not end.
const atMost = 600

// Run runs the soak. It returns an error for each broken rule, or if the soak could not be run.
func Run(ctx context.Context, c Config) (err error) {
	s := &soak{Config: c, testbed: &testbed{cluster: c.Cluster, deployments: deployments(c.Pace)}}
	if s.programs, err = listenPrograms(); err != nil {
		return err
	}
	programsCtx, stopPrograms := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- s.programs.run(programsCtx) }()
	defer func() {
		stopPrograms()
		err = errors.Join(err, <-served)
	}()
	if err := s.testbed.create(ctx, c.Dir, s.programs.address()); err != nil {
		return err
	}
	socket := filepath.Join(c.Dir, "probe")
	subject := way.Fairlead(c.Fairlead)
	subject.Env = []string{probe.Variable + "=" + socket}
	if s.way, err = subject.Open(ctx, way.Site{Kubeconfig: c.Cluster.Kubeconfig, Dir: c.Dir}); err != nil {
		return err
	}
	defer s.way.Close()
	s.gauge = newGauge(s.way.Processes()[0], socket, c.Cluster, s.programs)
	return s.run(ctx)
}

func (s *soak) run(ctx context.Context) error {
	s.Say("warm up for %s", s.Warm)
	s.Say("%s", sampleHead)
	if err := s.work(ctx, s.Warm, false); err != nil {
		return err
	}
	before, err := s.gauge.rest(ctx, s.count(), s.Rest, func(now sample) bool { return now.streams == 0 && now.programs == 0 && s.idle(now) })
	if err != nil {
		return err
	}
	s.Say("%s  at rest", before)
	s.Say("%d connections a second for %s, with Pods deleted and sessions cut", s.Rate, s.For)
	if err := s.work(ctx, s.For/2, true); err != nil {
		return err
	}
	s.Say("the node now refuses SPDY: new sessions are WebSockets")
	if err := s.Cluster.RefuseUpgrades(ctx, clustertest.SPDY, http.StatusForbidden); err != nil {
		return err
	}
	if err := s.work(ctx, s.For-s.For/2, true); err != nil {
		return err
	}
	if err := s.carriers(ctx); err != nil {
		return err
	}
	after, err := s.gauge.rest(ctx, s.count(), s.Rest, func(now sample) bool { return leaks(before, now) == nil && s.idle(now) })
	if err != nil {
		return err
	}
	s.Say("%s  at rest", after)
	err = s.judge(ctx, before, after)
	if !s.idle(after) {
		err = errors.Join(err, fmt.Errorf("at rest there are %d sessions beyond %d of each Pod", after.spare, keptSessions))
	}
	return err
}

// carriers returns an error unless both carriers were used.
func (s *soak) carriers(ctx context.Context) error {
	stats, err := s.Cluster.Stats(ctx)
	if err == nil && (stats.Sessions[clustertest.SPDY] == 0 || stats.Sessions[clustertest.WebSocket] == 0) {
		err = fmt.Errorf("sessions by carrier: %v", stats.Sessions)
	}
	return err
}

// idle reports whether no more sessions are open than may remain.
func (s *soak) idle(now sample) bool { return !s.Reaped || now.spare == 0 }

// work makes connections for the time span, and longer until every deployment has had a fault, and waits for the last
// connection to end.
func (s *soak) work(ctx context.Context, span time.Duration, withFaults bool) error {
	group, ctx := errgroup.WithContext(ctx)
	during, stop := context.WithCancel(ctx)
	defer stop()
	var pending sync.WaitGroup // the deployments that have had no fault yet
	if withFaults {
		for _, deployment := range s.testbed.deployments {
			pending.Add(1)
			begun := sync.OnceFunc(pending.Done)
			group.Go(func() error { defer begun(); return s.testbed.injectFaults(ctx, during, deployment, begun) })
		}
	}
	group.Go(func() error {
		defer stop()
		err := sleep(ctx, span)
		pending.Wait()
		return err
	})
	group.Go(func() error { return s.watch(during) })
	group.Go(func() error {
		ticker := time.NewTicker(time.Second / time.Duration(s.Rate))
		defer ticker.Stop()
		clients := errgroup.Group{}
		clients.SetLimit(atMost)
		for {
			select {
			case <-during.Done():
				return clients.Wait()
			case <-ticker.C:
			}
			if !clients.TryGo(func() error { s.connect(ctx); return nil }) {
				s.late++
			}
		}
	})
	return group.Wait()
}

// connect runs one client.
func (s *soak) connect(ctx context.Context) {
	r := record{
		id: s.ids.Add(1), work: drawWork(), begun: time.Now(),
		deployment: s.testbed.deployments[rand.IntN(len(s.testbed.deployments))],
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	r.err = r.work.do(ctx, client{id: r.id, way: s.way, open: r.deployment.open(), shut: r.deployment.shut()})
	r.over = time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made = append(s.made, r)
}

func (s *soak) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.made)
}

// watch prints a sample every s.Every.
func (s *soak) watch(ctx context.Context) error {
	for sleep(ctx, s.Every) == nil {
		now, err := s.gauge.read(ctx, s.count())
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil {
			s.Say("%s", now)
		}
	}
	return nil
}

// judge checks all records against the rules. It prints a summary, and returns the first violations.
func (s *soak) judge(ctx context.Context, before, after sample) error {
	const shown = 20
	var errs []error
	wrong := 0
	counts := map[string]int{}
	for _, r := range s.made {
		counts[fmt.Sprintf("%-10s %-18s %s", r.deployment.name, r.work.name, endNames[r.end()])]++
		err := r.violation(s.programs.times(r.id))
		if err == nil {
			continue
		}
		if wrong++; wrong <= shown {
			near := "no fault"
			if t, ok := r.during(); ok {
				near = t.what
			}
			errs = append(errs, fmt.Errorf("connection %d (%s, %s, at %s for %s, %s): %w", r.id, r.work.name, r.deployment.name,
				r.begun.Format("15:04:05.000"), r.over.Sub(r.begun).Round(time.Millisecond), near, err))
		}
	}
	s.printSummary(counts)
	for _, deployment := range s.testbed.deployments {
		if len(deployment.faults) == 0 {
			errs = append(errs, fmt.Errorf("there was no fault for %s", deployment.name))
		}
	}
	if wrong > shown {
		errs = append(errs, fmt.Errorf("and %d more", wrong-shown))
	}
	if s.late > 0 {
		errs = append(errs, fmt.Errorf("%d connections were not made because %d others did not end", s.late, atMost))
	}
	if err := leaks(before, after); err != nil {
		file := filepath.Join(s.Dir, "goroutines")
		errs = append(errs, fmt.Errorf("%w (their stacks are in %s)", err, file), s.gauge.writeGoroutines(ctx, file))
	}
	return errors.Join(append(errs, s.raced())...)
}

// printSummary prints how many connections ended in which way.
func (s *soak) printSummary(counts map[string]int) {
	for _, deployment := range s.testbed.deployments {
		for i := range works {
			of := fmt.Sprintf("%-10s %-18s", deployment.name, works[i].name)
			line := of
			for _, end := range endNames {
				if n := counts[of+" "+end]; n > 0 {
					line += fmt.Sprintf("  %d %s", n, end)
				}
			}
			s.Say("%s", line)
		}
		s.Say("%-10s %d faults", deployment.name, len(deployment.faults))
	}
}

// maxReport bounds how much of a data race's report is repeated, in bytes.
const maxReport = 16 << 10

// raced returns the findings of the race detector, if Fairlead was built with it, as an error.
func (s *soak) raced() error {
	logs, err := filepath.Glob(filepath.Join(s.Dir, "state-*", "fairlead.log"))
	for _, log := range logs {
		text, readErr := os.ReadFile(log)
		err = errors.Join(err, readErr)
		if _, report, found := strings.Cut(string(text), "DATA RACE"); found {
			err = errors.Join(err, fmt.Errorf("a data race in Fairlead (%s):%s", log, report[:min(len(report), maxReport)]))
		}
	}
	return err
}
