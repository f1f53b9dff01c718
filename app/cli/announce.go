package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"fairlead/app/instance"
	"fairlead/app/session"
)

// goneGrace is how long the last contexts of a serve have to be gone from the kubeconfig before it ends. Tools delete
// an entry to write it again.
const goneGrace = 10 * time.Second

// An announcer prints what happens to the contexts of a serve, and decides when there is nothing left to serve.
type announcer struct {
	names    []string
	contexts map[string]*announcement
	out, err io.Writer
	failed   func(session.State) string // says why a context has failed, and what to do; may be slow
	gone     func(file string) bool     // reports whether a context missing from a kubeconfig file is gone for good
}

// An announcement is the state of one context, with what was last printed about it.
type announcement struct {
	state session.State // as last seen
	there bool          // whether it was in the last snapshot
	lost  time.Time     // when it disappeared from the kubeconfig; zero if it did not

	cause  string // the model's reason why it is off; empty if it is on or was switched off
	off    string // the cause as it is printed
	url    string // the URL printed last; empty while it does not listen
	reason string // the trouble printed last while it listens

	unreachable bool   // printed as unreachable, and not as reachable since
	printedOff  string // the last value of off that was printed
	begun       bool   // something was printed about it
}

func newAnnouncer(ctx context.Context, p *instance.Instance, run foreground) *announcer {
	a := &announcer{
		names: run.names, contexts: map[string]*announcement{}, out: p.Outputs.Out, err: p.Outputs.Err,
		failed: func(s session.State) string { return run.why(ctx, s) },
		gone:   func(file string) bool { return instance.GoneFrom(p.Kubeconfig.Load(), file) },
	}
	for _, name := range run.names {
		a.contexts[name] = &announcement{}
	}
	return a
}

// run prints a line for each context when it begins to listen, in the order named, and then what happens to it. It
// returns when ctx ends or, with the reasons, when none of the contexts is on and none will be by itself.
func (a *announcer) run(ctx context.Context, model *session.Manager) error {
	ctx, cancel := context.WithCancel(ctx)
	seen := make(chan session.Snapshot)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() {
		defer close(seen)
		for snapshot := range model.Watch(ctx) {
			select {
			case seen <- snapshot:
			case <-ctx.Done():
			}
		}
	})
	var last session.Snapshot
	timer := time.NewTimer(goneGrace)
	defer timer.Stop()
	for {
		select {
		case snapshot, more := <-seen:
			if !more {
				return ctx.Err() // nil if the model has ended
			}
			last = snapshot
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		wait, err := a.update(last, time.Now())
		if err != nil {
			return err
		}
		timer.Reset(wait)
	}
}

// update prints what is new in a snapshot. It returns how long to wait if nothing changes, or why there is nothing left
// to serve.
func (a *announcer) update(snapshot session.Snapshot, now time.Time) (wait time.Duration, over error) {
	idle := true
	for _, c := range a.contexts {
		c.there = false
	}
	for _, s := range snapshot.Contexts {
		idle = idle && (s.Phase == session.Off || s.Phase == session.Failed)
		if c := a.contexts[s.Name]; c != nil {
			c.state, c.there = s, true
		}
	}
	wait = never
	var reasons []error
	for _, name := range a.names {
		c := a.contexts[name]
		a.findCause(c)
		left := a.remaining(c, now)
		if left > 0 {
			wait = min(wait, left)
			continue
		}
		reasons = append(reasons, fmt.Errorf("context %s: %s", name, c.off))
	}
	if idle && len(reasons) == len(a.names) {
		return 0, errors.Join(reasons...)
	}
	a.print()
	return wait, nil
}

// never is longer than any other wait of an announcer.
const never = time.Hour

// findCause sets c.cause and c.off: why a context is off although nobody switched it off.
func (a *announcer) findCause(c *announcement) {
	cause, message := "", func() string { return c.cause }
	switch {
	case !c.there:
		cause = "it is no longer in the kubeconfig"
		if !a.gone(c.state.File) {
			cause = fmt.Sprintf("its kubeconfig %s is not there", c.state.File)
		}
	case c.state.Phase == session.Failed:
		cause, message = why(c.state), func() string { return a.failed(c.state) }
	case c.state.Phase == session.Off && !c.state.Usable:
		cause = why(c.state)
	}
	if cause != c.cause {
		c.cause = cause
		c.off = message() // only now, because failed may be slow
	}
}

// remaining returns how long to wait until a context counts as gone for good: never if it is not gone, and 0 or less if
// the time is over.
func (a *announcer) remaining(c *announcement, now time.Time) time.Duration {
	switch {
	case c.off == "" || !c.there && !a.gone(c.state.File):
		c.lost = time.Time{}
		return never
	case c.there:
		return 0
	case c.lost.IsZero():
		c.lost = now
	}
	return goneGrace - now.Sub(c.lost)
}

// print prints what is new. The first lines of the contexts come in the order of their names.
func (a *announcer) print() {
	waiting := false
	for _, name := range a.names {
		c := a.contexts[name]
		pending := c.off == "" && (c.state.Phase == session.Starting || c.state.Phase == session.Stopping)
		waiting = waiting || pending && !c.begun
		if pending || waiting && !c.begun {
			continue
		}
		c.begun = true
		a.printOff(name, c)
		a.printOn(c)
	}
}

func (a *announcer) printOff(name string, c *announcement) {
	if c.off != c.printedOff && c.off != "" {
		fmt.Fprintf(a.err, "%s  is off: %s\n", name, c.off)
	}
	c.printedOff = c.off
}

// printOn prints where a context listens, and its trouble meanwhile.
func (a *announcer) printOn(c *announcement) {
	if !c.there || !c.state.Phase.Listening() {
		c.url, c.reason, c.unreachable = "", "", false
		return
	}
	if url := where(c.state); url != c.url {
		c.url = url
		printOn(a.out, a.err, c.state)
	}
	switch reason := c.state.Reason; {
	case reason == "" && c.unreachable && !c.state.Unknown:
		fmt.Fprintf(a.err, "%s  is reachable again\n", c.state.Name)
	case reason == c.reason:
	case reason == "":
		fmt.Fprintf(a.err, "%s  has applied the change\n", c.state.Name)
	default:
		fmt.Fprintf(a.err, "%s  %s\n", c.state.Name, reason)
	}
	if c.state.Phase == session.Unavailable {
		c.unreachable = true
	} else if !c.state.Unknown {
		c.unreachable = false
	}
	c.reason = c.state.Reason
}
