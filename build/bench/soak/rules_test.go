package soak

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"fairlead/build/bench/way"
)

func TestRulesOfConnections(t *testing.T) {
	noon := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	at := func(second int) time.Time { return noon.Add(time.Duration(second) * time.Second) }
	fault := []fault{{"fault", at(10), at(12)}}
	finishing := &deployment{name: "finishing", faults: fault}
	dying := &deployment{name: "dying", fails: true, ends: true, faults: fault}
	cut := &deployment{name: "cut", fails: true, faults: fault}
	request, shut, leaver := &works[0], &work{refused: true}, &work{leaves: true}
	reset := fmt.Errorf("read: %w", syscall.ECONNRESET)
	for name, c := range map[string]struct {
		deployment *deployment
		work       *work
		begun, end int
		err        error
		seen       int
		forbidden  bool
	}{
		"all well":                                  {finishing, request, 10, 11, nil, 1, false},
		"well without its request":                  {finishing, request, 1, 2, nil, 0, true},
		"sent twice, and well":                      {cut, request, 11, 12, nil, 2, true},
		"sent twice by one who left":                {cut, leaver, 11, 12, nil, 2, true},
		"left":                                      {cut, leaver, 1, 2, nil, 0, false},
		"broken where Pods finish":                  {finishing, request, 9, 11, reset, 1, true},
		"broken in fault":                           {cut, request, 9, 11, reset, 1, false},
		"broken before fault":                       {cut, request, 1, 9, reset, 1, true},
		"broken after fault":                        {cut, request, 13, 14, reset, 0, true},
		"lived through fault":                       {cut, request, 1, 20, reset, 1, false},
		"ended in order by a cut":                   {cut, request, 9, 11, errShort, 1, true},
		"ended in order by a Pod that dies":         {dying, request, 9, 11, errShort, 1, false},
		"ended in order without a fault":            {dying, request, 1, 2, errShort, 1, true},
		"refused in fault":                          {dying, request, 9, 11, &way.Refused{Code: 4}, 0, true},
		"garbled":                                   {dying, request, 9, 11, errWrong, 1, true},
		"stuck":                                     {dying, request, 9, 11, os.ErrDeadlineExceeded, 1, true},
		"stuck in the dial":                         {dying, request, 1, 1 + int(within/time.Second), errors.New("late"), 0, true},
		"refused port":                              {finishing, shut, 1, 2, &way.Refused{Code: 5}, 0, false},
		"refused port with another answer":          {finishing, shut, 1, 2, &way.Refused{Code: 4}, 0, true},
		"refused port with another, in fault":       {dying, shut, 10, 11, &way.Refused{Code: 4}, 0, false},
		"refused port that is connected":            {dying, shut, 10, 11, errAccepted, 0, true},
		"refused port whose refusal comes late":     {finishing, shut, 1, 2, errLate, 0, false},
		"refused port whose connection broke alone": {cut, shut, 1, 2, reset, 0, true},
	} {
		r := record{deployment: c.deployment, work: c.work, begun: at(c.begun), over: at(c.end), err: c.err}
		if err := r.violation(c.seen); (err != nil) != c.forbidden {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGrowthIsHeldAgainstTheSessions(t *testing.T) {
	before := sample{goroutines: 20, heap: 1 << 20, descriptors: 10, sessions: 2}
	for name, c := range map[string]struct {
		after sample
		leak  bool
	}{
		"the same":                  {before, false},
		"as many more as sessions":  {sample{goroutines: 40, heap: 1 << 20, descriptors: 18, sessions: 10}, false},
		"goroutines":                {sample{goroutines: 60, heap: 1 << 20, descriptors: 10, sessions: 2}, true},
		"descriptors":               {sample{goroutines: 20, heap: 1 << 20, descriptors: 30, sessions: 2}, true},
		"heap":                      {sample{goroutines: 20, heap: 5 << 20, descriptors: 10, sessions: 2}, true},
		"connections to programs":   {sample{goroutines: 20, heap: 1 << 20, descriptors: 10, sessions: 2, programs: 1}, true},
		"connections at the node":   {sample{goroutines: 20, heap: 1 << 20, descriptors: 10, sessions: 2, streams: 1}, true},
		"fewer sessions, same work": {sample{goroutines: 20, heap: 1 << 20, descriptors: 10}, false},
	} {
		if err := leaks(before, c.after); (err != nil) != c.leak {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckNoticesWrongContent(t *testing.T) {
	const size = 100_000
	right, err := io.ReadAll(io.LimitReader(content(7), size))
	if err != nil {
		t.Fatal(err)
	}
	if err := check(bytes.NewReader(right), 7, size); err != nil {
		t.Errorf("its own: %v", err)
	}
	if err := check(bytes.NewReader(right), 8, size); !errors.Is(err, errWrong) {
		t.Errorf("another's: %v", err)
	}
	if err := check(bytes.NewReader(right[:size-1]), 7, size); ending(err) != errShort {
		t.Errorf("a byte is missing: %v", err)
	}
	swapped := append(append([]byte{}, right[1000:2000]...), right[:1000]...)
	if err := check(bytes.NewReader(swapped), 7, 2000); !errors.Is(err, errWrong) {
		t.Errorf("swapped: %v", err)
	}
}

func TestSharesOfWorkAreHundred(t *testing.T) {
	sum := 0
	for _, w := range works {
		sum += w.share
	}
	if sum != 100 {
		t.Errorf("%d", sum)
	}
}
