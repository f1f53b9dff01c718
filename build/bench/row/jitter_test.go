package row

import (
	"context"
	"net"
	"strings"
	"testing"

	"fairlead/build/bench/far"
	"fairlead/build/bench/way"
)

// answering is a way that answers requests, except to the addresses that it refuses.
type answering struct {
	opened
	refuse func(address string) error
}

func (w answering) Dial(_ context.Context, t way.Target) (net.Conn, error) {
	if err := w.refuse(t.Address); err != nil {
		return nil, err
	}
	near, there := net.Pipe()
	go func() {
		defer there.Close()
		if strings.HasPrefix(t.Address, "10.0.0.1:") {
			// A refused port whose client was told that it is connected. It ends when the client reads: before that the
			// client has yet to set a deadline, which a pipe that has ended takes for an error.
			_, _ = there.Write(nil)
			return
		}
		if _, err := there.Read(make([]byte, len(request))); err == nil {
			_, _ = there.Write(make([]byte, far.ResponseLength))
		}
	}()
	return near, nil
}

func TestOnlyReportedRefusalsCount(t *testing.T) {
	l := newLab(t)
	l.Pod = Pod{IP: "10.0.0.1", Service: "bench.default:80"}
	n := 0
	found, err := l.refuseInTurn(t.Context(), answering{refuse: func(address string) error {
		if !strings.HasPrefix(address, "10.0.0.1:") {
			return nil
		}
		switch n++; {
		case n%10 == 0:
			return nil
		case n%10 == 1:
			return &way.Refused{Code: 6}
		}
		return &way.Refused{Code: refusedCode}
	}})
	if err != nil || len(found.told) != refusalsOf*8/10 || found.otherwise != refusalsOf/10 || len(found.late) != refusalsOf/10 {
		t.Errorf("%d told, %d otherwise, %d late, %v", len(found.told), found.otherwise, len(found.late), err)
	}
}

// turns is a way to two Pods that answer in the given order.
type turns struct {
	answering
	order *string
	had   map[string]int64
}

func (w turns) Dial(ctx context.Context, t way.Target) (net.Conn, error) {
	w.had["pod-"+(*w.order)[:1]]++
	*w.order = (*w.order)[1:]
	return w.answering.Dial(ctx, t)
}

func TestConnectionsAreDistinguishedByTheirPod(t *testing.T) {
	pair := Pair{Service: "pair.default", Ports: []int{1, 2}, Pods: []string{"pod-a", "pod-b"}}
	for order, want := range map[string]string{
		"bbaba": "", // the port that is known, the new one at b, again at a, which is the other Pod, at b
		"abb":   "one of 2 Pods",
		"aaba":  "",
	} {
		left := order + strings.Repeat("b", fewTries)
		w := turns{answering{refuse: func(string) error { return nil }}, &left, map[string]int64{}}
		l := newLab(t)
		l.Streams = func(context.Context, []string) (map[string]int64, error) {
			return map[string]int64{"pod-a": w.had["pod-a"], "pod-b": w.had["pod-b"]}, nil
		}
		var found waits
		err := l.newPort(t.Context(), w, pair, 2, &found)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", order, err)
		}
		if want == "" && (len(found.proved) != 1 || len(found.first) != 1 || len(found.later) != 1 || len(found.otherPod) != 1) {
			t.Errorf("%s: %+v", order, found)
		}
	}
}

func TestAPairIsWarmWhenBothPodsHaveAnswered(t *testing.T) {
	pair := Pair{Service: "pair.default", Ports: []int{1, 2}, Pods: []string{"pod-a", "pod-b"}}
	for order, warm := range map[string]bool{"aaab": true, strings.Repeat("a", fewTries+1): false} {
		w := turns{answering{refuse: func(string) error { return nil }}, &order, map[string]int64{}}
		l := newLab(t)
		l.Streams = func(context.Context, []string) (map[string]int64, error) {
			return map[string]int64{"pod-a": w.had["pod-a"], "pod-b": w.had["pod-b"]}, nil
		}
		if err := l.warmPair(t.Context(), w, pair); (err == nil) != warm {
			t.Errorf("%d left: %v", len(order), err)
		}
	}
}
