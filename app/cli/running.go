package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"fairlead/app/command"
	"fairlead/app/control"
	"fairlead/app/menu"
	"fairlead/app/table"
)

// Connections prints the open connections of contexts or, without names, of all that are on.
func Connections(ctx context.Context, o command.Options, names []string) error {
	return withClient(func(c *control.Client) error {
		open, err := c.Connections(ctx, names)
		if err != nil {
			return withAdvice(ctx, c, names, err)
		}
		return printConnections(table.For(os.Stdout), o, open, time.Now())
	})
}

func connectionColumns(now time.Time) []column[control.Connection] {
	return []column[control.Connection]{
		{title: "CONTEXT", cut: table.CutMiddle, cell: plain(func(c control.Connection) string { return c.Context })},
		{title: "TARGET", cut: table.CutMiddle, cell: plain(func(c control.Connection) string { return c.Target })},
		{title: "STAGE", cell: func(c control.Connection) table.Cell { return stageCell(c.Stage) }},
		{title: "ROUTE", wide: true, cell: plain(func(c control.Connection) string { return c.Route })},
		{title: "PROTOCOL", wide: true, cell: plain(func(c control.Connection) string { return c.Protocol })},
		{title: "CLIENT", cell: plain(func(c control.Connection) string { return c.Client })},
		{title: "FOR", cell: plain(func(c control.Connection) string { return age(now, c.Since) })},
		{title: "SENT", cell: plain(func(c control.Connection) string { return size(uint64(max(0, c.Sent))) })},
		{title: "RECEIVED", cell: plain(func(c control.Connection) string { return size(uint64(max(0, c.Received))) })},
	}
}

func stageCell(stage string) table.Cell {
	if stage == "relay" {
		return table.Cell{Text: "open", Style: table.Good}
	}
	return table.Cell{Text: stage, Style: table.Busy}
}

func printConnections(out table.Output, o command.Options, open []control.Connection, now time.Time) error {
	if done, err := encode(out, o.Output, open); done {
		return err
	}
	if len(open) == 0 {
		return printNone("No connection is open.")
	}
	_, err := printTable(out, o, connectionColumns(now), open)
	return err
}

// printNone prints a sentence that says that there is nothing to print, on stderr as kubectl does.
func printNone(text string) error {
	_, err := fmt.Fprintln(os.Stderr, text)
	return err
}

// CloseConnections closes the open connections of contexts, and prints how many there were.
func CloseConnections(ctx context.Context, o command.Options, names []string) error {
	return withClient(func(c *control.Client) error {
		counts, err := c.CloseConnections(ctx, names)
		if err != nil {
			return withAdvice(ctx, c, names, err)
		}
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			connections := "connections"
			if counts[name] == 1 {
				connections = "connection"
			}
			fmt.Printf("%s  %d %s closed\n", name, counts[name], connections)
		}
		if len(counts) == 0 {
			return printNone("No context is on.")
		}
		return nil
	})
}

// Services prints the Services in the cluster of a context that is on.
func Services(ctx context.Context, o command.Options, name string) error {
	name, err := orCurrent(o, name)
	if err != nil {
		return err
	}
	return withClient(func(c *control.Client) error {
		found, err := c.Services(ctx, name, o.Namespace)
		if err != nil {
			return withAdvice(ctx, c, []string{name}, err)
		}
		return printServices(table.For(os.Stdout), o, found)
	})
}

// A serviceRow is a row of the services: one port of a Service, or a Service without a TCP port.
type serviceRow struct {
	control.Service
	port    control.ServicePort
	address string
}

var serviceColumns = []column[serviceRow]{
	{title: "NAMESPACE", cut: table.CutMiddle, cell: plain(func(r serviceRow) string { return r.Namespace })},
	{title: "NAME", cut: table.CutMiddle, cell: plain(func(r serviceRow) string { return r.Name })},
	{title: "PORT", cell: plain(func(r serviceRow) string {
		if r.port.Name == "" {
			return fmt.Sprint(r.port.Number)
		}
		return fmt.Sprintf("%d (%s)", r.port.Number, r.port.Name)
	})},
	{title: "ADDRESS", cut: table.CutMiddle, cell: plain(func(r serviceRow) string { return r.address })},
}

func printServices(out table.Output, o command.Options, found []control.Service) error {
	if done, err := encode(out, o.Output, found); done {
		return err
	}
	var rows []serviceRow
	var names []string
	for _, s := range found {
		names = append(names, s.Namespace+"/"+s.Name)
		for _, p := range s.Ports {
			address := menu.ServiceAddress(menu.Service{Namespace: s.Namespace, Name: s.Name}, menu.Port{Number: uint16(p.Number), Name: p.Name})
			rows = append(rows, serviceRow{s, p, address})
		}
	}
	switch {
	case o.Output == "name":
		return printNames(out, names)
	case len(rows) == 0:
		return printNone("No Service with a TCP port was found.")
	}
	_, err := printTable(out, o, serviceColumns, rows)
	return err
}

// LogIn logs in again to the cluster of a context that is on. If that fails, the error says what to do.
func LogIn(ctx context.Context, o command.Options, name string) error {
	name, err := orCurrent(o, name)
	if err != nil {
		return err
	}
	return withClient(func(c *control.Client) error {
		err := c.LogIn(ctx, name)
		if err == nil {
			fmt.Printf("%s  logged in\n", name)
			return nil
		}
		if status, statusErr := c.Status(ctx); statusErr == nil {
			for _, s := range status.Contexts {
				if s.Name == name && s.Login != "" && !strings.Contains(err.Error(), s.Login) {
					err = fmt.Errorf("%w\nTo log in: %s", err, s.Login)
				}
			}
		}
		return withAdvice(ctx, c, []string{name}, err)
	})
}

// quitTimeout bounds how long the running Fairlead may take to quit; its own timeouts are shorter.
const quitTimeout = 30 * time.Second

// Quit ends the running Fairlead, and returns when it has ended.
func Quit(ctx context.Context, _ command.Options) error {
	return withClient(func(c *control.Client) error {
		status, err := c.Status(ctx)
		if err != nil {
			return err
		}
		if err := c.Quit(ctx); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, quitTimeout)
		defer cancel()
		for range c.Watch(ctx) {
			// The stream ends when the program does.
		}
		if ctx.Err() != nil {
			return errors.New("the running Fairlead has not ended yet")
		}
		fmt.Printf("Fairlead has quit, process %d.\n", status.Program.PID)
		return nil
	})
}
