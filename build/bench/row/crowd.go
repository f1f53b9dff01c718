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

// A Crowd is a big cluster. The Services svc-000 to svc-009 in its namespaces crowd-000 and so on answer HTTP.
type Crowd struct {
	Kubeconfig string
	Audit      string // the API server's audit log
	Namespaces int
	// The addresses are those of svc-000 in crowd-000, and of one of its Pods.
	Service, Pod string
}

// The size of the big cluster, and the number of requests.
const (
	CrowdServices = 10_000            // and twice as many Pods
	CrowdPods     = CrowdServices / 5 // of these, that run
	realServices  = 10                // per namespace, that answer
	crowdRounds   = 2
	firstNames    = 10 // per round, requested for the first time
	repeats       = 20 // of one name, within the second for which its lookup is valid
	manyAtOnce    = 8
	manyMiB       = 20
	mostWatches   = 64
)

// crowded measures the cost of a big cluster: in requests, from the API server's audit log, in time, and in memory. It
// measures Fairlead only: kubectl port-forward is given the Pod.
func crowded(ctx context.Context, l *Lab) (measures []report.Measure, err error) {
	if l.judged() == nil {
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
		l.printResult(*m)
		measures = append(measures, *m)
	}
	return measures, nil
}

// crowdCosts holds the measures.
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
		// There is also one request per node for whether a Pod is on the host network, where Fairlead would not dial
		// it.
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

// CrowdNote describes the big cluster.
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

// round measures one process: switching on, requests to new names, to one of them again, to addresses, and to many
// names.
func (c *crowdCosts) round(ctx context.Context, l *Lab, crowd Crowd, round int) error {
	log := &audit{path: crowd.Audit}
	if _, err := log.more(); err != nil {
		return err
	}
	opening, cancel := context.WithTimeout(ctx, openWithin)
	w, err := l.judged().Open(opening, way.Site{Kubeconfig: crowd.Kubeconfig, Dir: l.Dir})
	cancel()
	if err != nil {
		return err
	}
	defer w.Close()
	// The lists of a program that makes too many would take longer than its start.
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
	lists := countMatching(requests, apiRequest.everywhere)
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
	c.lists.Add(report.Judged, float64(lists+countMatching(requests, apiRequest.everywhere)))
	c.watchesMany.Add(report.Judged, float64(countMatching(requests, apiRequest.watch)))
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

// names makes requests to new names, each in another namespace, and to the last again. It returns the number of lists.
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
		requests = slices.DeleteFunc(requests, apiRequest.portForward)
		watches += countMatching(requests, apiRequest.watch)
		outside += countMatching(requests, func(a apiRequest) bool { return a.namespace != namespace && !a.review() })
		lists += countMatching(requests, apiRequest.everywhere)
		questions := float64(len(requests) - countMatching(requests, apiRequest.watch))
		if i == 0 {
			c.veryFirst.Add(report.Judged, questions)
		} else {
			worst = max(worst, questions)
		}
	}
	c.watches.Add(report.Judged, float64(watches))
	c.first.Add(report.Judged, worst)
	c.outside.Add(report.Judged, float64(outside))
	// What is known of it may have become stale.
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
	questions := slices.DeleteFunc(requests, apiRequest.portForward)
	c.fresh.Add(report.Judged, float64(len(questions)))
	return lists + countMatching(questions, apiRequest.everywhere), nil
}

// addresses makes requests to a Service and to a Pod by their addresses. Their namespaces are unknown, so Fairlead
// lists both in all namespaces, with a selector that matches at most one object.
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
	c.address.Add(report.Judged, float64(len(slices.DeleteFunc(requests, func(a apiRequest) bool { return a.portForward() || a.watch() }))))
	return nil
}

// askMany makes a request to every name that answers, several at once.
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

// get makes one request on a new connection, and returns the time to the first byte of the response.
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

func countMatching(requests []apiRequest, is func(apiRequest) bool) int {
	n := 0
	for _, r := range requests {
		if is(r) {
			n++
		}
	}
	return n
}
