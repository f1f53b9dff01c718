package row

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"fairlead/build/bench/report"
	"fairlead/build/bench/way"
)

// A Crowd is a big cluster. Of its namespaces crowd-000 and so on, the Services svc-000 to svc-009 answer HTTP.
type Crowd struct {
	Kubeconfig string
	Audit      string // the API server's audit log
	Namespaces int
	// Addresses are those of svc-000 in crowd-000, and of one of its Pods.
	Service, Pod string
}

// The size of the big cluster, and what is made of it.
const (
	CrowdServices = 10_000            // and twice as many Pods
	CrowdPods     = CrowdServices / 5 // of them, that run
	realServices  = 10                // of a namespace, that answer
	crowdRounds   = 2
	firstNames    = 10 // in a round, that are asked for the first time
	repeats       = 20 // of one name, within the second in which it must be fresh
	manyAtOnce    = 8
	manyMiB       = 20
	mostWatches   = 64
)

// crowded measures what a big cluster costs: in requests, as the API server's audit log has them, in time, and in memory.
// It is about Fairlead alone: kubectl port-forward is told the Pod.
func crowded(ctx context.Context, l *Lab) (measures []report.Measure, err error) {
	if !slices.ContainsFunc(l.Kinds, func(k way.Kind) bool { return k.Name() == report.Judged }) {
		return nil, nil
	}
	if l.StartCrowd == nil {
		return nil, errors.New("there is no big cluster here")
	}
	crowd, stop, err := l.StartCrowd(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	c := newCrowdCosts()
	for round := range crowdRounds {
		l.Say("big cluster, round %d", round+1)
		if err := c.round(ctx, l, crowd, round); err != nil {
			c.fail(err)
			break
		}
	}
	for _, m := range c.all() {
		l.tell(*m)
		measures = append(measures, *m)
	}
	return measures, nil
}

// crowdCosts are the measures.
type crowdCosts struct {
	switchedOn, lists, veryFirst, first, outside, fresh, address, firstTime, addressTime, memory, memoryMany report.Measure
	watches, watchesMany, watchesOpen                                                                        report.Measure
}

func newCrowdCosts() *crowdCosts {
	atMost := func(work, unit string, goal float64) report.Measure {
		return report.Measure{Work: work, Unit: unit, Lower: true, Goals: []report.Goal{{AtMost: goal}}}
	}
	told := func(work, unit string) report.Measure { return report.Measure{Work: work, Unit: unit, Lower: true} }
	return &crowdCosts{
		switchedOn: told("big cluster: switching a context on", "requests"),
		lists:      atMost("big cluster: lists of all namespaces", "requests", 0),
		// It is also asked, once for each node, whether a Pod is on the node's own network, where it would not be dialled.
		veryFirst:   atMost("big cluster: the very first name", "requests", 2),
		first:       atMost("big cluster: a new name, the worst of 9", "requests", 2),
		outside:     atMost("big cluster: outside the name's namespace", "requests", 0),
		watches:     atMost("big cluster: watches for 10 names in use", "requests", firstNames),
		watchesMany: told("big cluster: watches for 1,000 names", "requests"),
		watchesOpen: atMost("big cluster: watches open after 1,000 names", "requests", mostWatches),
		firstTime:   told("big cluster: first connection by name, R = 0 ms", "ms"),
		fresh:       atMost("big cluster: 20 more to a name at once", "requests", 0),
		address:     told("big cluster: a ClusterIP and a Pod's IP", "requests"),
		addressTime: told("big cluster: first connection to a Pod's IP, R = 0 ms", "ms"),
		memory:      atMost("big cluster: memory gained by 10 names", "MiB", manyMiB),
		memoryMany:  atMost("big cluster: memory gained by 1,000 names", "MiB", manyMiB),
	}
}

// CrowdNote says what the big cluster is.
const CrowdNote = "big cluster: 10,000 Services and 20,000 Pods, a tenth of them real, in 100 namespaces of a real API server without controllers; " +
	"they were written straight into its etcd. Requests are those in its audit log, without the port-forwards themselves; the watch " +
	"that a Service in use gets is counted by itself."

func (c *crowdCosts) all() []*report.Measure {
	return []*report.Measure{&c.switchedOn, &c.lists, &c.veryFirst, &c.first, &c.outside, &c.watches, &c.firstTime, &c.fresh, &c.address, &c.addressTime, &c.memory, &c.memoryMany, &c.watchesMany, &c.watchesOpen}
}

func (c *crowdCosts) fail(err error) {
	for _, m := range c.all() {
		m.Fail(report.Judged, err)
	}
}

// round is one process: switched on, asked for new names, for one again, for addresses, and for many names.
func (c *crowdCosts) round(ctx context.Context, l *Lab, crowd Crowd, round int) error {
	log := &audit{path: crowd.Audit}
	if _, err := log.more(); err != nil {
		return err
	}
	at := slices.IndexFunc(l.Kinds, func(k way.Kind) bool { return k.Name() == report.Judged })
	opening, cancel := context.WithTimeout(ctx, openWithin)
	w, err := l.Kinds[at].Open(opening, way.Site{Kubeconfig: crowd.Kubeconfig, Dir: l.Dir})
	cancel()
	if err != nil {
		return err
	}
	defer w.Close()
	// The lists of a careless program would take longer than its start.
	before, err := settledMemory(ctx, w)
	if err != nil {
		return err
	}
	requests, err := log.next(ctx)
	if err != nil {
		return err
	}
	c.switchedOn.Add(report.Judged, float64(len(requests)))
	log.open = 0 // those of the process of the round before have ended by now
	lists := countAsked(requests, asked.everywhere)
	more, err := c.names(ctx, w, log, crowd, round)
	if err != nil {
		return err
	}
	lists += more
	if err := c.grown(ctx, w, before, &c.memory); err != nil {
		return err
	}
	if err := c.addresses(ctx, w, log, crowd); err != nil {
		return err
	}
	if err := askMany(ctx, w, crowd); err != nil {
		return err
	}
	if requests, err = log.next(ctx); err != nil {
		return err
	}
	c.lists.Add(report.Judged, float64(lists+countAsked(requests, asked.everywhere)))
	c.watchesMany.Add(report.Judged, float64(countAsked(requests, asked.watch)))
	c.watchesOpen.Add(report.Judged, float64(log.open))
	return c.grown(ctx, w, before, &c.memoryMany)
}

func (c *crowdCosts) grown(ctx context.Context, w way.Way, before int64, m *report.Measure) error {
	now, err := settledMemory(ctx, w)
	if err == nil {
		m.Add(report.Judged, float64(now-before)/(1<<20))
	}
	return err
}

// names asks for new names, each in a namespace of its own, and for the last again. It returns the lists there were.
func (c *crowdCosts) names(ctx context.Context, w way.Way, log *audit, crowd Crowd, round int) (lists int, err error) {
	worst, outside, watches := 0.0, 0, 0
	var target way.Target
	for i := range firstNames {
		namespace := fmt.Sprintf("crowd-%03d", (round*firstNames+i+1)%crowd.Namespaces)
		target = way.Target{Address: "svc-000." + namespace + ":80"}
		took, err := get(ctx, w, target)
		if err != nil {
			return 0, err
		}
		c.firstTime.Add(report.Judged, milliseconds(took))
		requests, err := log.next(ctx)
		if err != nil {
			return 0, err
		}
		requests = slices.DeleteFunc(requests, asked.portForward)
		watches += countAsked(requests, asked.watch)
		outside += countAsked(requests, func(a asked) bool { return a.namespace != namespace && !a.review() })
		lists += countAsked(requests, asked.everywhere)
		questions := float64(len(requests) - countAsked(requests, asked.watch))
		if i == 0 {
			c.veryFirst.Add(report.Judged, questions)
		} else {
			worst = max(worst, questions)
		}
	}
	c.watches.Add(report.Judged, float64(watches))
	c.first.Add(report.Judged, worst)
	c.outside.Add(report.Judged, float64(outside))
	// What was known of it may be older than what is fresh.
	if _, err := get(ctx, w, target); err != nil {
		return 0, err
	}
	if _, err := log.next(ctx); err != nil {
		return 0, err
	}
	for range repeats {
		if _, err := get(ctx, w, target); err != nil {
			return 0, err
		}
	}
	requests, err := log.next(ctx)
	if err != nil {
		return 0, err
	}
	questions := slices.DeleteFunc(requests, asked.portForward)
	c.fresh.Add(report.Judged, float64(len(questions)))
	return lists + countAsked(questions, asked.everywhere), nil
}

// addresses asks for a Service and for a Pod by their addresses. Which namespace has them nobody can know: both are asked
// for in all, by a selector that at most one object meets.
func (c *crowdCosts) addresses(ctx context.Context, w way.Way, log *audit, crowd Crowd) error {
	if _, err := get(ctx, w, way.Target{Address: net.JoinHostPort(crowd.Service, "80")}); err != nil {
		return err
	}
	took, err := get(ctx, w, way.Target{Address: net.JoinHostPort(crowd.Pod, "8080")})
	if err != nil {
		return err
	}
	requests, err := log.next(ctx)
	if err != nil {
		return err
	}
	c.addressTime.Add(report.Judged, milliseconds(took))
	c.address.Add(report.Judged, float64(len(slices.DeleteFunc(requests, func(a asked) bool { return a.portForward() || a.watch() }))))
	return nil
}

// askMany asks for every name that answers, some at once.
func askMany(ctx context.Context, w way.Way, crowd Crowd) error {
	names := make(chan string)
	errs := make([]error, manyAtOnce)
	var wg sync.WaitGroup
	for i := range manyAtOnce {
		wg.Go(func() {
			for name := range names {
				if _, err := get(ctx, w, way.Target{Address: name}); err != nil {
					errs[i] = errors.Join(errs[i], fmt.Errorf("%s: %w", name, err))
				}
			}
		})
	}
	for n := range crowd.Namespaces {
		for s := range realServices {
			names <- fmt.Sprintf("svc-%03d.crowd-%03d:80", s, n)
		}
	}
	close(names)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		return errors.New(first)
	}
	return nil
}

// get makes one request with a connection of its own, and returns the time to its answer's first byte.
func get(ctx context.Context, w way.Way, t way.Target) (time.Duration, error) {
	begun := time.Now()
	conn, err := connect(ctx, w, t)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"); err != nil {
		return 0, err
	}
	reader := bufio.NewReader(conn)
	if _, err := reader.Peek(1); err != nil {
		return 0, fmt.Errorf("%s: read the answer: %w", t.Address, err)
	}
	first := time.Since(begun)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return 0, err
	}
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s: %s", t.Address, response.Status)
	}
	return first, nil
}

func countAsked(requests []asked, is func(asked) bool) int {
	n := 0
	for _, r := range requests {
		if is(r) {
			n++
		}
	}
	return n
}
