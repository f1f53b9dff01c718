package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"

	"fairlead/app/command"
	"fairlead/app/control"
	"fairlead/app/instance"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/app/table"
)

// Forward gives a context fixed local ports: in the running Fairlead with --background, or else in the foreground until ctx
// ends.
func Forward(ctx context.Context, o command.Options, name string, wanted []command.Forward) error {
	name, err := orCurrent(o, name)
	if err != nil {
		return err
	}
	if o.Background {
		return forwardInBackground(ctx, o, name, wanted)
	}
	warnOfSudo()
	p, err := instance.Open(o.Kubeconfig, os.Stderr)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.Unreadable(); err != nil {
		return &command.UsageError{Err: err}
	}
	found, err := p.Find(name)
	if err != nil {
		return err
	}
	if err := useNamespace(p, o, name); err != nil {
		return err
	}
	namespace := cmp.Or(p.Settings.Effective(name).Namespace, found.Namespace, defaultNamespace)
	endpoints, err := endpointsOf(wanted, o, namespace)
	if err != nil {
		return err
	}
	if err := confirmProduction(ctx, p, o, []string{name}, commandLine(o, name, endpoints, true, "")); err != nil {
		return err
	}
	if err := p.Settings.ForwardOnly(name, endpoints...); err != nil {
		return &command.UsageError{Err: err}
	}
	model := p.NewModel(session.Config{ConfirmedOnce: true})
	run := foreground{names: []string{name}, elsewhere: elsewhere(o, name, endpoints)}
	return runContexts(ctx, p, p.Ordered(model), run, func(ctx context.Context) error {
		noteMissing(ctx, p, model, name, endpoints)
		return nil
	})
}

// defaultNamespace is that of names without one, if neither the user nor the kubeconfig names one.
const defaultNamespace = "default"

// noteMissing prints which targets of a context do not exist, once the context is on.
func noteMissing(ctx context.Context, p *instance.Instance, model *session.Manager, name string, endpoints []settings.Endpoint) {
	for snapshot := range model.Watch(ctx) {
		if s, there := snapshot.Context(name); !there || !s.Phase.Listening() {
			continue
		}
		for _, e := range endpoints {
			printNote(p.Outputs.Err, name, p.Missing(ctx, name, e.To))
		}
		return
	}
}

// printNote prints what is to be noted of a context, if anything.
func printNote(to io.Writer, name, note string) {
	if note != "" {
		fmt.Fprintf(to, "%s  %s\n", name, note)
	}
}

// endpointsOf returns what a command line means by forwards.
func endpointsOf(wanted []command.Forward, o command.Options, namespace string) ([]settings.Endpoint, error) {
	var endpoints []settings.Endpoint
	for _, f := range wanted {
		e, err := endpointOf(f, o, namespace)
		if err != nil {
			return nil, &command.UsageError{Err: err}
		}
		if at := slices.IndexFunc(endpoints, e.Overlaps); at >= 0 {
			return nil, &command.UsageError{Err: fmt.Errorf("%s cannot lead to %s and to %s", e.Address, endpoints[at].To, e.To)}
		}
		endpoints = append(endpoints, e)
	}
	return endpoints, nil
}

// endpointOf returns what a command line means by a forward.
func endpointOf(f command.Forward, o command.Options, namespace string) (settings.Endpoint, error) {
	e := settings.Endpoint{To: f.Target(namespace), Protocol: settings.TCP}
	if o.HTTP {
		e.Protocol = settings.HTTP
	}
	at, err := settings.ParseListen(f.Local)
	if err != nil {
		return e, err
	}
	if e.Address = at; !at.Addr().IsValid() {
		e.Address = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
	}
	return e, e.Check()
}

// commandLine returns the command line that makes forwards of a context. With yes it confirms production. local replaces the
// local port of a single forward, unless it is empty.
func commandLine(o command.Options, name string, endpoints []settings.Endpoint, yes bool, local string) string {
	words := []string{"fairlead forward"}
	if yes {
		words = append(words, "--yes")
	}
	if o.HTTP {
		words = append(words, "--http")
	}
	if o.Namespace != "" {
		words = append(words, "-n", o.Namespace)
	}
	words = append(words, name)
	if len(endpoints) > 1 {
		words = append(words, "…")
	} else {
		words = append(words, endpoints[0].To, cmp.Or(local, endpoints[0].Address.String()))
	}
	return strings.Join(words, " ")
}

// elsewhere returns a sentence on how the command line names another local port for forwards of a context.
func elsewhere(o command.Options, name string, endpoints []settings.Endpoint) string {
	if len(endpoints) > 1 {
		return "It is the number before the colon."
	}
	return fmt.Sprintf("`%s` names one.", commandLine(o, name, endpoints, false, "LOCAL"))
}

// forwardInBackground gives a context of the running Fairlead fixed local ports.
func forwardInBackground(ctx context.Context, o command.Options, name string, wanted []command.Forward) error {
	return withClient(func(c *control.Client) error {
		status, err := c.Status(ctx)
		if err != nil {
			return err
		}
		namespace := o.Namespace
		for _, s := range status.Contexts {
			if s.Name == name {
				namespace = cmp.Or(namespace, s.Namespace)
			}
		}
		endpoints, err := endpointsOf(wanted, o, cmp.Or(namespace, defaultNamespace))
		if err != nil {
			return err
		}
		for _, e := range endpoints {
			if err := replaces(status, name, e); err != nil && !o.Replace {
				return err
			}
			f := control.Forward{Listen: e.Address.String(), Target: e.To, Protocol: string(e.Protocol), Replace: o.Replace}
			note, err := c.Forward(ctx, name, f)
			if err != nil {
				return withAdvice(ctx, c, []string{name}, err)
			}
			fmt.Printf("%s  %s → %s\n", name, e.Address, e.To)
			printNote(os.Stderr, name, note)
		}
		return nil
	})
}

// replaces returns an error with advice if a forward would replace another one that the context has at its address.
func replaces(status control.Status, name string, e settings.Endpoint) error {
	for _, r := range forwardRows(status, []string{name}) {
		if r.Chosen && r.Listen == e.Address.String() && (r.Target != e.To || r.Protocol != string(e.Protocol)) {
			return fmt.Errorf("%s leads to %s (%s) in context %s already: `fairlead unforward %s %s` removes that, and --replace replaces it",
				r.Listen, r.Target, r.Protocol, name, name, r.Listen)
		}
	}
	return nil
}

// A forwardRow is a fixed local port, as the command prints it. Scripts read its JSON form, which must not change.
type forwardRow struct {
	Context  string `json:"context"`
	Listen   string `json:"listen"`
	Target   string `json:"target"`
	Protocol string `json:"protocol"`
	Up       bool   `json:"up"`
	Chosen   bool   `json:"chosen"` // it was made by a command or in the menu, and is not in the settings file
	Problem  string `json:"problem,omitempty"`
}

// forwardRows returns the fixed local ports of contexts or, without names, of all.
func forwardRows(status control.Status, names []string) []forwardRow {
	rows := []forwardRow{}
	for _, c := range status.Contexts {
		if len(names) > 0 && !slices.Contains(names, c.Name) {
			continue
		}
		s := c.State()
		for _, e := range s.Endpoints.Forwards() {
			row := forwardRow{
				Context: c.Name, Listen: e.Address, Target: e.Target, Protocol: e.Protocol, Chosen: e.Chosen, Problem: e.Problem,
				Up: s.Phase.Listening() && e.Problem == "",
			}
			rows = append(rows, row)
		}
	}
	return rows
}

var forwardColumns = []column[forwardRow]{
	{title: "CONTEXT", cut: table.CutMiddle, cell: plain(func(r forwardRow) string { return r.Context })},
	{title: "LOCAL", cell: plain(func(r forwardRow) string { return r.Listen })},
	{title: "TARGET", cut: table.CutMiddle, cell: plain(func(r forwardRow) string { return r.Target })},
	{title: "PROTOCOL", cell: plain(func(r forwardRow) string { return r.Protocol })},
	{title: "STATE", cell: func(r forwardRow) table.Cell {
		switch {
		case r.Up:
			return table.Cell{Text: "on", Style: table.Good}
		case r.Problem != "":
			return table.Cell{Text: "failed", Style: table.Bad}
		}
		return table.Cell{Text: "off", Style: table.Faint}
	}},
	{title: "FROM", wide: true, cell: plain(func(r forwardRow) string {
		if r.Chosen {
			return "command"
		}
		return "settings"
	})},
	{title: "PROBLEM", cut: table.CutEnd, cell: plain(func(r forwardRow) string { return r.Problem })},
}

// Forwards prints the fixed local ports of contexts or, without names, of all.
func Forwards(ctx context.Context, o command.Options, names []string) error {
	return withClient(func(c *control.Client) error {
		status, err := c.Status(ctx)
		if err != nil {
			return err
		}
		if err := unknownContexts(names, status); err != nil {
			return &command.UsageError{Err: err}
		}
		out, rows := table.For(os.Stdout), forwardRows(status, names)
		if done, err := encode(out, o.Output, rows); done {
			return err
		}
		switch {
		case o.Output == "name":
			var addresses []string
			for _, r := range rows {
				addresses = append(addresses, r.Listen)
			}
			return printNames(out, addresses)
		case len(rows) == 0:
			return printNone(noForwards(names))
		}
		_, err = printTable(out, o, forwardColumns, rows)
		return err
	})
}

// noForwards says that contexts or, without names, all have no fixed local port.
func noForwards(names []string) string {
	switch len(names) {
	case 0:
		return "No context has a fixed local port."
	case 1:
		return fmt.Sprintf("Context %s has no fixed local port.", names[0])
	}
	return fmt.Sprintf("None of the contexts %s has a fixed local port.", strings.Join(names, ", "))
}

// Unforward removes a fixed local port, which is named by its number, its address or its target.
func Unforward(ctx context.Context, o command.Options, name, what string) error {
	return withClient(func(c *control.Client) error {
		status, err := c.Status(ctx)
		if err != nil {
			return err
		}
		names := notEmpty(name)
		if err := unknownContexts(names, status); err != nil {
			return &command.UsageError{Err: err}
		}
		found := slices.DeleteFunc(forwardRows(status, names), func(r forwardRow) bool { return !r.isCalled(what) })
		switch {
		case len(found) == 0:
			return &command.UsageError{Err: fmt.Errorf("no local port is called %s: `fairlead forwards` lists them", what)}
		case len(found) > 1:
			var has []string
			for _, r := range found {
				has = append(has, r.Context+" "+r.Listen)
			}
			return &command.UsageError{Err: fmt.Errorf("%s stands for several: %s", what, strings.Join(has, ", "))}
		}
		if err := c.Unforward(ctx, found[0].Context, found[0].Listen); err != nil {
			return withAdvice(ctx, c, []string{found[0].Context}, err)
		}
		fmt.Printf("%s  %s removed\n", found[0].Context, found[0].Listen)
		return nil
	})
}

// isCalled reports whether a user may call the port so.
func (r forwardRow) isCalled(what string) bool {
	return what == r.Listen || what == r.Target || strings.HasSuffix(r.Listen, ":"+what) ||
		strings.Replace(what, "localhost:", "127.0.0.1:", 1) == r.Listen
}
