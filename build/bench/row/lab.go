package row

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"fairlead/build/bench/far"
	"fairlead/build/bench/report"
	"fairlead/build/bench/way"
)

const (
	openWithin  = 30 * time.Second // for a way to accept connections
	roundWithin = 60 * time.Second // for one subject's part of one round
)

// A Lab is the environment of the rows: the far side, the cluster, the subjects.
type Lab struct {
	Kinds []way.Kind
	// Place holds, by round trip, the address of the far side and the kubeconfig for it.
	Place map[time.Duration]Place
	// Jittery is the place at JitteryRoundTrip.
	Jittery Place
	Ports   far.Ports
	Pod     Pod
	// Sessions returns the number of open port-forward sessions of the cluster's node.
	Sessions func(context.Context) (int, error)
	// Streams returns the number of connections that each of the given Pods in the Pod's namespace has had.
	Streams func(ctx context.Context, pods []string) (map[string]int64, error)
	// Slow sets a delay of the node for each connection to the Pod before its program accepts it, or the port refuses.
	Slow func(context.Context, time.Duration) error
	// CreatePair creates a Pair. It is not removed before the cluster ends.
	CreatePair func(context.Context) (Pair, error)
	// StartCrowd starts the big cluster; the caller calls stop.
	StartCrowd func(context.Context) (crowd Crowd, stop func() error, err error)
	// Dir is the directory of the processes' files.
	Dir string
	Say func(format string, args ...any)
}

// A Place is how the far side is reached with one round trip.
type Place struct{ Host, Kubeconfig string }

// A Pod is the Pod with the programs.
type Pod struct {
	Namespace, Name, IP string
	Port                int
	Service             string // NAME.NAMESPACE:PORT
}

// target returns the far side's programs, by their Service's name.
func (l *Lab) target() way.Target {
	return way.Target{Address: l.Pod.Service, Pod: l.Pod.Namespace + "/" + l.Pod.Name, PodPort: l.Pod.Port}
}

// targetByIP returns a port of the pod, by the pod's address.
func (l *Lab) targetByIP(port int) way.Target {
	t := l.target()
	t.Address, t.PodPort = net.JoinHostPort(l.Pod.IP, strconv.Itoa(port)), port
	return t
}

// kinds returns the subjects, with or without those that are limits.
func (l *Lab) kinds(limits bool) []way.Kind {
	return slices.DeleteFunc(slices.Clone(l.Kinds), func(k way.Kind) bool { return !limits && !k.InCluster() })
}

// judged returns Fairlead, or nil if it is not measured.
func (l *Lab) judged() way.Kind {
	for _, k := range l.Kinds {
		if k.Name() == report.Judged {
			return k
		}
	}
	return nil
}

// open opens a way to the schedule's place, for its targets.
func (l *Lab) open(ctx context.Context, k way.Kind, plan schedule) (way.Way, error) {
	place, ok := l.Place[plan.r]
	if plan.jitter {
		place = l.Jittery
	}
	if !ok {
		return nil, fmt.Errorf("no place at a round trip of %s", plan.r)
	}
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	return k.Open(ctx, way.Site{RoundTrip: plan.r, Host: place.Host, Kubeconfig: place.Kubeconfig, Ports: l.Ports, Targets: plan.targets, Dir: l.Dir})
}

// A turn is one subject's part of a round.
type turn struct {
	name string
	kind way.Kind
	way  way.Way
}

// A schedule defines how the subjects take turns.
type schedule struct {
	kinds   []way.Kind
	r       time.Duration
	jitter  bool // r varies by Jitter
	targets []way.Target
	rounds  int
	fresh   bool // a new process for each round, not one for the row
	warm    func(context.Context, turn) error
	do      func(context.Context, turn) error // called once for each round and subject; records the samples
}

// interleave lets the subjects take turns. A subject that fails is excluded, with the reason in each of the measures.
func (l *Lab) interleave(ctx context.Context, plan schedule, measures ...*report.Measure) error {
	ways := map[string]way.Way{}
	defer func() {
		for _, w := range ways {
			w.Close()
		}
	}()
	failed := map[string]bool{}
	for _, m := range measures {
		for _, k := range plan.kinds {
			m.Add(k.Name())
		}
	}
	for round := range plan.rounds {
		for _, k := range plan.kinds {
			if failed[k.Name()] {
				continue
			}
			err := l.takeTurn(ctx, plan, k, ways, round)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				failed[k.Name()] = true
				l.Say("%s: %v", k.Name(), err)
				for _, m := range measures {
					m.Fail(k.Name(), err)
				}
			}
		}
	}
	for _, m := range measures {
		l.printResult(*m)
	}
	return nil
}

// takeTurn does one subject's part of one round.
func (l *Lab) takeTurn(ctx context.Context, plan schedule, k way.Kind, ways map[string]way.Way, round int) error {
	ctx, cancel := context.WithTimeout(ctx, roundWithin)
	defer cancel()
	if w, ok := ways[k.Name()]; ok && plan.fresh {
		w.Close()
		delete(ways, k.Name())
	}
	w, ok := ways[k.Name()]
	if !ok {
		var err error
		if w, err = l.open(ctx, k, plan); err != nil {
			return err
		}
		ways[k.Name()] = w
		if plan.warm != nil {
			if err := plan.warm(ctx, turn{k.Name(), k, w}); err != nil {
				return fmt.Errorf("warm up: %w", err)
			}
		}
	}
	if err := plan.do(ctx, turn{k.Name(), k, w}); err != nil {
		return fmt.Errorf("round %d: %w", round+1, err)
	}
	if plan.fresh {
		w.Close()
		delete(ways, k.Name())
	}
	return nil
}

// printResult prints the result of a measure.
func (l *Lab) printResult(m report.Measure) {
	line := m.Work
	for _, s := range m.Subjects {
		line += "; " + s.Name
		if len(s.Samples) == 0 {
			line += " –"
			continue
		}
		line += strings.TrimSuffix(fmt.Sprintf(" %.4g %s", report.Summarize(s.Samples).Median, m.Unit), " ")
	}
	l.Say("%s", line)
}

// RoundTrip returns the measured round trip of the place at r: the median of some TCP connects, in milliseconds.
func (l *Lab) RoundTrip(ctx context.Context, r time.Duration) (float64, error) {
	var samples []float64
	var dialer net.Dialer
	address := net.JoinHostPort(l.Place[r].Host, strconv.Itoa(l.Ports.Plain))
	for range 9 {
		begun := time.Now()
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return 0, fmt.Errorf("measure the round trip: %w", err)
		}
		samples = append(samples, milliseconds(time.Since(begun)))
		if err := conn.Close(); err != nil {
			return 0, err
		}
	}
	return report.Quantile(samples, 0.5), nil
}

// reference returns the measured round trip as a reference for results.
func (l *Lab) reference(ctx context.Context, r time.Duration) (report.Reference, error) {
	value, err := l.RoundTrip(ctx, r)
	return report.Reference{Name: "R", Value: value}, err
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
