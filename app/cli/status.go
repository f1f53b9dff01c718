package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"fairlead/app/command"
	"fairlead/app/control"
	"fairlead/app/session"
)

// Status prints the state of the running Fairlead. Without one the JSON is {"running": false}, and the exit status is 4
// in any case.
func Status(ctx context.Context, o command.Options) error {
	status, err := queryStatus(ctx)
	if err != nil && !(o.Output == "json" && errors.Is(err, ErrNotRunning)) {
		return err
	}
	if o.Output != "json" {
		return printStatus(os.Stdout, status, time.Now())
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	if err != nil {
		return errors.Join(encoder.Encode(struct {
			Running bool `json:"running"`
		}{false}), err)
	}
	return encoder.Encode(struct {
		Running bool `json:"running"`
		control.Status
	}{true, status})
}

// printStatus prints the status for people: the contexts that are on or failed, each with its problems below.
func printStatus(out io.Writer, status control.Status, now time.Time) error {
	where := "in the panel"
	if status.Program.Kind == "serve" {
		where = "in the foreground"
	}
	fmt.Fprintf(out, "Fairlead runs %s, process %d, for %s.\n", where, status.Program.PID, age(now, status.Program.Since))
	for _, problem := range status.Problems {
		fmt.Fprintln(out, problem)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	shown := 0
	for _, c := range status.Contexts {
		if c.Phase == session.Off {
			continue
		}
		if shown++; shown == 1 {
			fmt.Fprintln(w, "\nCONTEXT\tSTATE\tADDRESS\tFOR\tOPEN\tCONNECTIONS\tSENT\tRECEIVED")
		}
		endpoints := c.State().Endpoints
		fmt.Fprintf(w, "%s\t%s\t%s\n", c.Name, c.Phase, statusCells(c, endpoints.ProxyAddress(), now))
		for _, address := range endpoints.Addresses() {
			if c.Phase.Listening() && address != endpoints.ProxyAddress() {
				fmt.Fprintf(w, "\t\t%s\n", address)
			}
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if shown == 0 {
		fmt.Fprintln(out, "No context is on.")
	}
	for _, c := range status.Contexts {
		printNotes(out, c, now)
	}
	return nil
}

// statusCells returns the cells of a context after its state, in the row of its proxy's address.
func statusCells(c control.Context, address string, now time.Time) string {
	if !c.Phase.Listening() {
		return ""
	}
	cells := fmt.Sprintf("%s\t%s", address, age(now, c.Since))
	if t := c.Traffic; t != nil {
		cells += fmt.Sprintf("\t%d\t%d\t%s\t%s", t.Open, t.Total, size(t.Sent), size(t.Received))
	}
	return cells
}

// printNotes prints what a user should know about a context that is not off.
func printNotes(out io.Writer, c control.Context, now time.Time) {
	var notes []string
	if c.Reason != "" {
		notes = append(notes, c.Reason)
	}
	switch {
	case c.Login != "":
		notes = append(notes, "To log in: "+c.Login)
	case c.Hint != "":
		notes = append(notes, c.Hint)
	}
	if c.TLS {
		notes = append(notes, fmt.Sprintf("It takes only clients with TLS and a certificate: `fairlead env %s --for curl` shows how.", c.Name))
	}
	if c.Warning != "" {
		notes = append(notes, c.Warning)
	}
	if !c.OffAt.IsZero() {
		notes = append(notes, fmt.Sprintf("It turns itself off in %s.", age(c.OffAt, now)))
	}
	if c.Phase != session.Off && len(notes) > 0 {
		fmt.Fprintf(out, "\n%s\n    %s\n", c.Name, strings.Join(notes, "\n    "))
	}
}

// age returns the time between two moments in its two largest units.
func age(now, since time.Time) string {
	d := max(0, now.Sub(since)).Round(time.Second)
	switch {
	case since.IsZero():
		return ""
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// size formats a number of bytes for people.
func size(bytes uint64) string {
	if bytes < 1024 {
		return fmt.Sprintf("%d B", bytes)
	}
	n := float64(bytes)
	unit := ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB"} {
		if n /= 1024; n < 1024 {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", n, unit)
}
