// Package wake reports that the machine woke up, or that its network changed, after which the last known state of
// remote servers may not hold any more. It sends nothing; its caller decides what to check again.
package wake

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"
)

// A Cause is what happened.
type Cause string

// The causes.
const (
	Woke    Cause = "woke up"         // the machine slept, or the process was stopped
	Network Cause = "network changed" // addresses of this machine came or went
)

// every is the interval between two checks. A check that comes late or more after its time comes after a sleep. Timers do
// not run while the machine sleeps, so the first check comes within every of the wake.
const (
	every = 2 * time.Second
	late  = 3 * time.Second
)

// Watch calls changed, from its own goroutine, at each cause, until ctx ends. It reads the machine's addresses every
// other second.
func Watch(ctx context.Context, changed func(Cause)) {
	watcher{now: time.Now, addresses: addresses}.run(ctx, changed)
}

// watcher implements Watch with parts that a test can replace.
type watcher struct {
	now       func() time.Time
	addresses func() string
}

func (w watcher) run(ctx context.Context, changed func(Cause)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	// This is the wall clock, which runs during a sleep.
	last, network := w.now().Round(0), w.addresses()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		now, current := w.now().Round(0), w.addresses()
		slept, moved := now.Sub(last) > every+late, current != network
		switch {
		case slept:
			changed(Woke)
		case moved:
			changed(Network)
		}
		// The time that changed takes is not a sleep.
		last, network = w.now().Round(0), current
	}
}

// addresses returns this machine's addresses, except those that are only valid on a link.
func addresses() string {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	var far []string
	for _, address := range all {
		if prefix, ok := address.(*net.IPNet); ok && !prefix.IP.IsLoopback() && !prefix.IP.IsLinkLocalUnicast() {
			far = append(far, prefix.String())
		}
	}
	slices.Sort(far)
	return strings.Join(far, " ")
}
