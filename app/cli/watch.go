package cli

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"fairlead/app/command"
	"fairlead/app/control"
	"fairlead/app/table"
)

// watchInterval is how often the traffic is queried, because it changes without a change of state.
const watchInterval = 2 * time.Second

// watchStatus prints the status now and after each change, until ctx or the running Fairlead ends. On a terminal it stays
// in place and also follows the traffic.
func watchStatus(ctx context.Context, out table.Output, o command.Options) error {
	return withClient(func(c *control.Client) error {
		watchCtx, cancel := context.WithCancel(ctx)
		type change struct {
			status control.Status
			err    error
		}
		changes := make(chan change)
		var reading sync.WaitGroup
		defer reading.Wait()
		defer cancel()
		reading.Go(func() {
			defer close(changes)
			for status, err := range c.Watch(watchCtx) {
				select {
				case changes <- change{status, err}:
				case <-watchCtx.Done():
				}
			}
		})
		ticker := time.NewTicker(watchInterval)
		defer ticker.Stop()
		for first := true; ; first = false {
			select {
			case now, more := <-changes:
				switch {
				case ctx.Err() != nil:
					return nil
				case !more:
					return ErrNotRunning
				case now.err != nil:
					return now.err
				}
				if err := printChange(out, o, now.status, first); err != nil {
					return err
				}
			case <-ticker.C:
				if !out.Terminal() || o.Output != "" && o.Output != "wide" {
					continue
				}
				status, err := c.Status(watchCtx)
				if err != nil {
					continue // the stream of changes ends too, with the reason
				}
				if err := printChange(out, o, status, first); err != nil {
					return err
				}
			}
		}
	})
}

// Escape codes of ECMA-48: the cursor to the first cell, and everything from there on erased.
const eraseScreen = "\x1b[H\x1b[J"

// printChange prints a status: on a terminal over the last one, elsewhere below it.
func printChange(out table.Output, o command.Options, status control.Status, first bool) error {
	var text bytes.Buffer
	buffered := out
	buffered.Writer = &text
	forPeople := o.Output == "" || o.Output == "wide"
	switch {
	case forPeople && out.Terminal():
		text.WriteString(eraseScreen)
	case o.Output == "yaml" && !first:
		text.WriteString("---\n")
	case forPeople && !first && !o.NoHeaders:
		fmt.Fprintln(&text)
	}
	if err := printStatus(buffered, o, status, time.Now()); err != nil {
		return err
	}
	_, err := out.Write(text.Bytes())
	return err
}
