// Package wake tells when the machine woke up, or its network became another: then what was last known of servers far away may no
// longer hold. It asks nobody; who is told decides what to look at again.
package wake

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"
)

// A Cause is why things may be others now.
type Cause string

// The causes.
const (
	Woke    Cause = "woke up"         // the machine slept, or the process was stopped
	Network Cause = "network changed" // addresses of this machine came or went
)

// How often it is looked, and how much later than that a look comes after a sleep at least. Timers do not run while the machine
// sleeps, so that the first look comes within every of the wake.
const (
	every = 2 * time.Second
	late  = 3 * time.Second
)

// Watch calls changed, from its own goroutine, whenever there is a cause, until ctx ends. It costs one look at the machine's addresses
// every other second.
func Watch(ctx context.Context, changed func(Cause)) {
	watcher{now: time.Now, addresses: addresses}.run(ctx, changed)
}

// watcher is Watch with what a test can replace.
type watcher struct {
	now       func() time.Time
	addresses func() string
}

func (w watcher) run(ctx context.Context, changed func(Cause)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	// By the wall clock, which goes on during a sleep.
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
		// What changed takes is no sleep.
		last, network = w.now().Round(0), current
	}
}

// addresses are this machine's, but for those that mean nothing beyond its links.
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
