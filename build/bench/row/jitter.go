package row

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"fairlead/build/bench/report"
	"fairlead/build/bench/way"
)

const (
	// Jitter is by how much round trips on the delay line of row 11 vary around near.
	Jitter = 15 * time.Millisecond
	// refusesAfter is the node's delay before a port refuses.
	refusesAfter = 20 * time.Millisecond

	refusers     = 5   // processes in parallel, each with its own cache and session
	refusalsOf   = 200 // per process, each of another port, so that none is answered from the cache
	toldInTime   = 999 // of the refusals
	jitterRounds = 5
	// NewPorts is the number of ports of a Service that each round uses for the first time.
	NewPorts = 12
	// fewTries bounds the requests to a port until both Pods have answered: each is chosen at random.
	fewTries = 40
	// refusedCode is the SOCKS5 reply for a refused connection.
	refusedCode = 5
)

// A Pair is a Service with two Pods and many ports, all of which give the same answer.
type Pair struct {
	Service string // NAME.NAMESPACE
	Ports   []int  // NewPorts, and one more
	Pods    []string
}

// jitteryLine measures, with varying round trips and a node that is slow to refuse, how many refusals a client gets instead
// of "connected", and how much the wait for them costs other connections. Only SOCKS proxies are measured: kubectl
// accepts a client's connection before it connects to the Pod.
func jitteryLine(ctx context.Context, l *Lab) ([]report.Measure, error) {
	reference, err := l.reference(ctx, near)
	if err != nil {
		return nil, err
	}
	var proxies []way.Kind
	for _, k := range l.Kinds {
		if _, ok := k.(*way.Proxy); ok {
			proxies = append(proxies, k)
		}
	}
	costs, err := costOfWaiting(ctx, l, proxies, reference)
	if err != nil {
		return costs, err
	}
	told, err := toldRefusals(ctx, l, proxies)
	return append(costs, told...), err
}

// waits holds the times to the first byte by kind of connection, in milliseconds.
type waits struct{ proved, first, later, otherPod []float64 }

func costOfWaiting(ctx context.Context, l *Lab, proxies []way.Kind, reference report.Reference) ([]report.Measure, error) {
	const line = "R = 40 ± 15 ms"
	first := report.Measure{
		Work: "first connection to a new Service port, more than to a known one, " + line, Unit: "ms", Lower: true,
		Goals: []report.Goal{{AtMost: reference.Value + 60, Text: "≤ R + 60 ms"}},
	}
	nothing := []report.Goal{{AtMost: 5}}
	later := report.Measure{Work: "the next one to it, more than to a known one, " + line, Unit: "ms", Lower: true, Goals: nothing}
	other := report.Measure{Work: "the first to its other Pod, more than to a known one, " + line, Unit: "ms", Lower: true, Goals: slices.Clone(nothing)}
	pair, err := l.CreatePair(ctx)
	if err != nil {
		return nil, err
	}
	err = l.interleave(ctx, schedule{
		kinds: proxies, r: near, jitter: true, rounds: jitterRounds, fresh: true,
		warm: func(ctx context.Context, t turn) error { return l.warmPair(ctx, t.way, pair) },
		do: func(ctx context.Context, t turn) error {
			var w waits
			for _, port := range pair.Ports[1:] {
				if err := l.newPort(ctx, t.way, pair, port, &w); err != nil {
					return err
				}
			}
			proved := report.Quantile(w.proved, 0.5)
			first.Add(t.name, report.Quantile(w.first, 0.5)-proved)
			later.Add(t.name, report.Quantile(w.later, 0.5)-proved)
			other.Add(t.name, report.Quantile(w.otherPod, 0.5)-proved)
			return nil
		},
	}, &first, &later, &other)
	return []report.Measure{first, later, other}, err
}

func (p Pair) target(port int) way.Target {
	return way.Target{Address: fmt.Sprintf("%s:%d", p.Service, port)}
}

// warmPair makes requests to the first port until both Pods have answered, so that there is a session with each.
func (l *Lab) warmPair(ctx context.Context, w way.Way, pair Pair) error {
	served := map[string]bool{}
	for range fewTries {
		pod, _, err := l.askPair(ctx, w, pair, pair.Ports[0])
		if err != nil {
			return err
		}
		if served[pod] = true; len(served) == len(pair.Pods) {
			return nil
		}
	}
	return fmt.Errorf("one of %d Pods answered %d times in a row", len(pair.Pods), fewTries)
}

// newPort makes a request to the known first port, and then to a port of which nothing is known, until its other Pod
// has answered and the first one has answered again.
func (l *Lab) newPort(ctx context.Context, w way.Way, pair Pair, port int, to *waits) error {
	_, took, err := l.askPair(ctx, w, pair, pair.Ports[0])
	if err != nil {
		return err
	}
	to.proved = append(to.proved, took)
	firstPod, took, err := l.askPair(ctx, w, pair, port)
	if err != nil {
		return err
	}
	to.first = append(to.first, took)
	again, other := false, false
	for tries := 0; !again || !other; tries++ {
		if tries == fewTries {
			return fmt.Errorf("one of %d Pods answered %d times in a row", len(pair.Pods), fewTries)
		}
		pod, took, err := l.askPair(ctx, w, pair, port)
		switch {
		case err != nil:
			return err
		case pod == firstPod && !again:
			again = true
			to.later = append(to.later, took)
		case pod != firstPod && !other:
			other = true
			to.otherPod = append(to.otherPod, took)
		}
	}
	return nil
}

// askPair makes one request and returns the Pod that answered, and the milliseconds to the first byte.
func (l *Lab) askPair(ctx context.Context, w way.Way, pair Pair, port int) (pod string, ms float64, err error) {
	before, err := l.Streams(ctx, pair.Pods)
	if err != nil {
		return "", 0, err
	}
	took, err := ask(ctx, w, pair.target(port))
	if err != nil {
		return "", 0, err
	}
	after, err := l.Streams(ctx, pair.Pods)
	if err != nil {
		return "", 0, err
	}
	for _, name := range pair.Pods {
		if after[name] > before[name] {
			return name, milliseconds(took), nil
		}
	}
	return "", 0, errors.New("no Pod received the connection")
}

// toldRefusals counts the refusals that a client gets instead of "connected".
func toldRefusals(ctx context.Context, l *Lab, proxies []way.Kind) (measures []report.Measure, err error) {
	const line = "R = 40 ± 15 ms, a node that takes 20 ms"
	told := report.Measure{
		Work:  fmt.Sprintf("of %d refusals, told before \"connected\", %s", refusers*refusalsOf, line),
		Goals: []report.Goal{{AtLeast: toldInTime}},
	}
	known := report.Measure{Work: "a refused port is known to the client, " + line, Unit: "ms", Lower: true}
	if err := l.Slow(ctx, refusesAfter); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Slow(ctx, 0)) }()
	for _, k := range proxies {
		times, err := refuseOften(ctx, l, k)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			l.Say("%s: %v", k.Name(), err)
			told.Fail(k.Name(), err)
			known.Fail(k.Name(), err)
			continue
		}
		told.Add(k.Name(), float64(len(times)))
		known.Add(k.Name(), times...)
	}
	l.printResult(told)
	l.printResult(known)
	return []report.Measure{told, known}, nil
}

// refuseOften connects to closed ports from several processes at once. It returns how long each refusal took that the
// client got as one.
func refuseOften(ctx context.Context, l *Lab, k way.Kind) (took []float64, err error) {
	found := make([]refusalsFound, refusers)
	errs := make([]error, refusers)
	var wg sync.WaitGroup
	for i := range refusers {
		wg.Go(func() {
			w, err := l.open(ctx, k, schedule{r: near, jitter: true})
			if err != nil {
				errs[i] = err
				return
			}
			defer w.Close()
			found[i], errs[i] = l.refuseInTurn(ctx, w)
		})
	}
	wg.Wait()
	var all refusalsFound
	for _, f := range found {
		all.told = append(all.told, f.told...)
		all.late = append(all.late, f.late...)
		all.otherwise += f.otherwise
	}
	if n := len(all.late); n > 0 {
		l.Say("%s: %d refused connections were told \"connected\"; they ended %.3g ms after that, the last %.3g", k.Name(), n,
			report.Quantile(all.late, 0.5), slices.Max(all.late))
	}
	if all.otherwise > 0 {
		l.Say("%s: %d connections failed with another answer than \"refused\"", k.Name(), all.otherwise)
	}
	return all.told, errors.Join(errs...)
}

// refusalsFound holds the results of refused connections, with times in milliseconds.
type refusalsFound struct {
	told      []float64 // the time to each refusal that the client got as one
	late      []float64 // the time from "connected" to the end of the connection
	otherwise int       // the number of other replies
}

// refuseInTurn connects to one closed port after another through one process.
func (l *Lab) refuseInTurn(ctx context.Context, w way.Way) (found refusalsFound, err error) {
	if err := askTimes(ctx, w, l.target(), 3); err != nil {
		return found, fmt.Errorf("warm up: %w", err)
	}
	for i := range refusalsOf {
		begun := time.Now()
		conn, err := connect(ctx, w, l.targetByIP(closedPort+i))
		took := milliseconds(time.Since(begun))
		var said *way.Refused
		switch {
		case errors.As(err, &said) && said.Code == refusedCode:
			found.told = append(found.told, took)
		case errors.As(err, &said):
			found.otherwise++
		case err != nil:
			return found, err
		default:
			// The connection ends without a byte, in order or not.
			_, _ = conn.Read(make([]byte, 1))
			conn.Close()
			found.late = append(found.late, milliseconds(time.Since(begun))-took)
		}
	}
	return found, nil
}
