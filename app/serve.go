package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sync/errgroup"

	"fairlead/app/command"
	"fairlead/app/explain"
	"fairlead/app/session"
)

// runServe runs the proxies of the named contexts in the foreground, until ctx ends. Each must listen, or none stays.
func runServe(ctx context.Context, o command.Options, names []string) error {
	p, err := open(o, os.Stderr)
	if err != nil {
		return err
	}
	defer p.Close()
	p.sayProblems(p.outputs.err)
	names, err = p.servable(names)
	if err != nil {
		return err
	}
	if o.Listen != "" {
		if err := p.listenAt(o.Listen, names[0]); err != nil { // there is one
			return err
		}
	}
	model := p.manager(nil)
	stopped := ctx
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return model.Run(ctx) })
	commands := orderedModel{model, p.settings}
	group.Go(func() error { return p.control(ctx, commands, "serve") })
	group.Go(func() error {
		if err := p.tell(ctx, model); err != nil {
			return err
		}
		for _, name := range names {
			if err := commands.Do(ctx, session.Set{Name: name, On: true, Confirmed: true}); err != nil {
				return err
			}
		}
		return p.announce(ctx, model, names)
	})
	group.Go(func() error { return p.follow(ctx, model) })
	group.Go(func() error { p.stayTrue(ctx, model); return nil })
	err = group.Wait()
	if stopped.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, session.ErrNotRunning)) {
		return nil
	}
	return err
}

// servable checks the names before anything starts; none stands for the current context.
func (p *program) servable(names []string) ([]string, error) {
	k := p.kubeconfig.Load()
	if len(names) == 0 {
		for _, c := range k.Contexts {
			if c.Current {
				names = []string{c.Name}
			}
		}
	}
	switch {
	case len(names) == 0 && len(k.Contexts) == 0:
		return nil, &command.UsageError{Err: errors.New(noContexts(*k))}
	case len(names) == 0:
		return nil, &command.UsageError{Err: errors.New("the kubeconfig has no current context: name one (fairlead list shows them)")}
	}
	var unique []string
	seen := map[string]bool{}
	for _, name := range names {
		c, err := p.find(name)
		if err != nil {
			return nil, err
		}
		if c.Err != nil {
			return nil, fmt.Errorf("context %s: %s", name, explain.Error(c.Err).Text())
		}
		if !seen[name] {
			unique = append(unique, name)
		}
		seen[name] = true
	}
	return unique, nil
}

// announce prints a line for each context as it begins to listen, in the order named, and then its changes for the
// worse and the better. It returns when ctx ends, or with an error when one could not start.
func (p *program) announce(ctx context.Context, model *session.Manager, names []string) error {
	said := 0
	reasons := map[string]string{}
	for snapshot := range model.Watch(ctx) {
		states := map[string]session.State{}
		for _, s := range snapshot.Contexts {
			states[s.Name] = s
		}
		for _, name := range names {
			s, there := states[name]
			if !there {
				return fmt.Errorf("context %s is no longer in the kubeconfig", name)
			}
			if s.Phase == session.Failed {
				if holder := whosePort(ctx, s); holder != "" {
					return fmt.Errorf("context %s: %s%s", name, s.Reason, holder)
				}
				return fmt.Errorf("context %s: %s", name, why(s))
			}
		}
		for said < len(names) && states[names[said]].Phase.Listening() {
			sayOn(p.outputs.out, p.outputs.err, states[names[said]])
			said++
		}
		for _, name := range names[:said] {
			if s := states[name]; s.Reason != reasons[name] {
				reasons[name] = s.Reason
				sayChange(p.outputs.err, s)
			}
		}
	}
	return ctx.Err()
}

// whosePort tells of a context's port that is taken whether it is the Fairlead that runs who has it.
func whosePort(ctx context.Context, s session.State) string {
	port := func(address string) uint16 {
		at, _ := netip.ParseAddrPort(address) // what is none has no port
		return at.Port()
	}
	status, err := ask(ctx)
	if s.Trouble != session.PortTaken || err != nil {
		return ""
	}
	for _, c := range status.Contexts {
		if c.Phase.Listening() && port(c.Address) == port(s.Address) {
			return fmt.Sprintf(" It is the Fairlead that runs, process %d, with context %s; --listen takes another address.", status.Program.PID, c.Name)
		}
	}
	return ""
}

func sayChange(stderr io.Writer, s session.State) {
	if s.Reason == "" {
		fmt.Fprintf(stderr, "%s  is reached again\n", s.Name)
		return
	}
	fmt.Fprintf(stderr, "%s  %s\n", s.Name, s.Reason)
}

// listenAt has a context listen at host:port, which may be open to other machines only where they must show a password or
// a client certificate.
func (p *program) listenAt(address, name string) error {
	full := strings.Replace(address, "localhost:", "127.0.0.1:", 1)
	if strings.HasPrefix(full, ":") {
		full = "[::]" + full
	}
	at, err := netip.ParseAddrPort(full)
	if err != nil {
		return &command.UsageError{Err: fmt.Errorf("--listen %s is not an IP address and a port, such as 127.0.0.1:1080", address)}
	}
	p.settings.ListenAt(name, at)
	if c := p.settings.Effective(name); c.Exposed() && !c.Password && !c.RequireTLS {
		return &command.UsageError{Err: fmt.Errorf("--listen %s would let anyone on the network in: use a loopback address "+
			"(127.0.0.1 or [::1]), or give context %s a password or client certificates in %s", address, name, p.settings.File())}
	}
	return nil
}
