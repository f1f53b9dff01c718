package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"fairlead/app/command"
	"fairlead/app/control"
	"fairlead/app/session"
	"fairlead/app/table"
)

// statusOutput is the status in the formats for programs.
type statusOutput struct {
	Running bool `json:"running"`
	control.Status
}

// Status prints the state of the running Fairlead. Without one the JSON is {"running": false}, and the exit status is 4
// in any case.
func Status(ctx context.Context, o command.Options) error {
	out := table.For(os.Stdout)
	if o.Watch {
		return watchStatus(ctx, out, o)
	}
	status, err := queryStatus(ctx)
	if err == nil {
		return printStatus(out, o, status, time.Now())
	}
	if errors.Is(err, ErrNotRunning) {
		_, encodeErr := encode(out, o.Output, struct {
			Running bool `json:"running"`
		}{false})
		return errors.Join(encodeErr, err)
	}
	return err
}

// A statusRow is a row of the status: a context with the address of its proxy, or one more of its addresses.
type statusRow struct {
	control.Context
	address string
	more    bool
}

// statusRows returns the rows of contexts.
func statusRows(contexts []control.Context) []statusRow {
	var rows []statusRow
	for _, c := range contexts {
		endpoints := c.State().Endpoints
		rows = append(rows, statusRow{Context: c, address: endpoints.ProxyAddress()})
		for _, e := range endpoints {
			if c.Phase.Listening() && e.Address != endpoints.ProxyAddress() {
				rows = append(rows, statusRow{Context: c, address: describeEndpoint(e), more: true})
			}
		}
	}
	return rows
}

// describeEndpoint returns an address, with where it leads or what it speaks.
func describeEndpoint(e session.Endpoint) string {
	switch {
	case e.Target != "":
		return e.Address + " → " + e.Target
	case e.Protocol != "":
		return e.Address + " " + e.Protocol
	}
	return e.Address
}

// statusColumns are the columns of the status.
func statusColumns(now time.Time) []column[statusRow] {
	// first makes a cell that is empty in all rows of a context but the first.
	first := func(cell func(statusRow) table.Cell) func(statusRow) table.Cell {
		return func(r statusRow) table.Cell {
			if r.more {
				return table.Cell{}
			}
			return cell(r)
		}
	}
	// listening makes a cell that is empty for a context that does not listen.
	listening := func(text func(statusRow) string) func(statusRow) table.Cell {
		return plain(func(r statusRow) string {
			if !r.Phase.Listening() {
				return ""
			}
			return text(r)
		})
	}
	traffic := func(text func(control.Traffic) string) func(statusRow) table.Cell {
		return first(plain(func(r statusRow) string {
			if r.Traffic == nil {
				return ""
			}
			return text(*r.Traffic)
		}))
	}
	return []column[statusRow]{
		{title: "CONTEXT", cut: table.CutMiddle, cell: first(plain(func(r statusRow) string { return r.Name }))},
		{title: "STATE", cell: first(func(r statusRow) table.Cell { return stateCell(r.State()) })},
		{title: "ADDRESS", cell: listening(func(r statusRow) string { return r.address })},
		{title: "NAMESPACE", wide: true, cut: table.CutMiddle, cell: first(plain(func(r statusRow) string { return r.Namespace }))},
		{title: "PROD", wide: true, cell: first(plain(func(r statusRow) string { return yes(r.Production) }))},
		{title: "FOR", cell: first(listening(func(r statusRow) string { return age(now, r.Since) }))},
		{title: "OPEN", cell: traffic(func(t control.Traffic) string { return fmt.Sprint(t.Open) })},
		{title: "CONNECTIONS", cell: traffic(func(t control.Traffic) string { return fmt.Sprint(t.Total) })},
		{title: "SENT", cell: traffic(func(t control.Traffic) string { return size(t.Sent) })},
		{title: "RECEIVED", cell: traffic(func(t control.Traffic) string { return size(t.Received) })},
	}
}

// printStatus prints the status. For people these are the contexts that are on or failed, and their problems below.
func printStatus(out table.Output, o command.Options, status control.Status, now time.Time) error {
	if done, err := encode(out, o.Output, statusOutput{true, status}); done {
		return err
	}
	var shown []control.Context
	var names []string
	for _, c := range status.Contexts {
		if c.Phase != session.Off {
			shown, names = append(shown, c), append(names, c.Name)
		}
	}
	if o.Output == "name" {
		return printNames(out, names)
	}
	if o.NoHeaders {
		_, err := printTable(out, o, statusColumns(now), statusRows(shown))
		return err
	}
	where := "in the panel"
	if status.Program.Kind == control.Serve {
		where = "in the foreground"
	}
	lines := append([]string{
		fmt.Sprintf("Fairlead runs %s, process %d, for %s.", where, status.Program.PID, age(now, status.Program.Since)),
	}, status.Problems...)
	if len(shown) == 0 {
		lines = append(lines, "No context is on.")
	}
	for _, line := range lines {
		if err := out.Paragraph("", line, table.Plain); err != nil {
			return err
		}
	}
	if len(shown) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(out); err != nil {
		return err
	}
	_, err := printTable(out, o, statusColumns(now), statusRows(shown))
	return errors.Join(err, printNotes(out, shown, now))
}

// printNotes prints what a user should know about contexts that are not off.
func printNotes(out table.Output, contexts []control.Context, now time.Time) error {
	for _, c := range contexts {
		lines := notes(c, now)
		if len(lines) == 0 {
			continue
		}
		_, err := fmt.Fprintln(out)
		err = errors.Join(err, out.Paragraph("", c.Name, table.Bold))
		for _, note := range lines {
			err = errors.Join(err, out.Paragraph("    ", note, table.Plain))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func notes(c control.Context, now time.Time) []string {
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
		notes = append(notes, fmt.Sprintf("It accepts only clients with TLS and a certificate: `fairlead env %s --for curl` shows how.", c.Name))
	}
	if c.Warning != "" {
		notes = append(notes, c.Warning)
	}
	if !c.OffAt.IsZero() {
		notes = append(notes, fmt.Sprintf("It turns itself off in %s.", age(c.OffAt, now)))
	}
	return notes
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
