package instance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"fairlead/app/control"
	"fairlead/app/explain"
	"fairlead/app/gateway"
	"fairlead/app/portholder"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/kube/fault"
)

// applyTimeout bounds how long a context may take to open a port.
const applyTimeout = 10 * time.Second

// maxChosen bounds how many fixed local ports a context can have that are not in the user's file.
const maxChosen = 200

// A TakenError is returned for an address of this machine that a fixed local port cannot have.
type TakenError struct {
	Address netip.AddrPort
	text    string // in plain sentences: what has the address, and what to do
}

func (e *TakenError) Error() string { return e.text }

// AddForward adds a fixed local port to a context that is on, keeps it in the state, and returns when the port listens. If
// something else has the address, the error is a *TakenError.
func (p *Instance) AddForward(ctx context.Context, model *session.Manager, name string, e settings.Endpoint) error {
	return forwardChange{p, model, name}.add(ctx, e, false)
}

// A forwardChange adds or removes a fixed local port of one context.
type forwardChange struct {
	*Instance
	model *session.Manager
	name  string
}

// add is Instance.AddForward. With replace, a forward that a command or the menu made at the same address is replaced.
func (c forwardChange) add(ctx context.Context, e settings.Endpoint, replace bool) error {
	if err := e.Check(); err != nil {
		return err
	}
	now := c.Settings.Effective(c.name).Endpoints
	at := slices.IndexFunc(now, e.Overlaps)
	switch {
	case at >= 0 && now[at].Address == e.Address && now[at].To == e.To && now[at].Protocol == e.Protocol:
		return nil // it is there already
	case at >= 0 && (!replace || !now[at].Chosen || now[at].Address != e.Address):
		return &TakenError{e.Address, takenBy(c.name, now[at], e)}
	case at < 0 && len(now) > maxChosen:
		return fmt.Errorf("context %s has %d addresses already", c.name, maxChosen)
	case at < 0:
		if err := c.free(e); err != nil {
			return err
		}
	}
	if err := saved(c.Settings.AddForward(c.name, e)); err != nil {
		return err
	}
	return c.apply(ctx, func(endpoints session.Endpoints) (bool, error) {
		for _, one := range endpoints {
			if one.Address != e.Address.String() || one.Target != e.To || one.Protocol != string(e.Protocol) {
				continue
			}
			if one.Problem != "" {
				return true, errors.New(one.Problem)
			}
			return true, nil
		}
		return false, nil
	})
}

// takenBy returns that an endpoint of a context has the address of a forward that is to be made, and what to do.
func takenBy(name string, has, wanted settings.Endpoint) string {
	const another = "choose another local port"
	switch {
	case has.IsNameserver():
		return fmt.Sprintf("%s is taken by the nameserver of context %s: %s", wanted.Address, name, another)
	case !has.IsForward():
		return fmt.Sprintf("%s is taken by the proxy of context %s: %s", wanted.Address, name, another)
	case has.To == wanted.To:
		return fmt.Sprintf("%s leads to %s in context %s already, by protocol %s: remove it first, or %s", has.Address, has.To, name, has.Protocol, another)
	}
	return fmt.Sprintf("%s is taken by context %s, for %s: remove that first, or %s", wanted.Address, name, has.To, another)
}

// free returns why an address cannot be listened on, or nil. Another context may have it without being on.
func (c forwardChange) free(e settings.Endpoint) error {
	for _, owner := range c.Kubeconfig.Load().Contexts {
		for _, other := range c.Settings.Effective(owner.Name).Endpoints {
			if owner.Name != c.name && e.Overlaps(other) {
				return &TakenError{e.Address, takenBy(owner.Name, other, e)}
			}
		}
	}
	if err := listenOnce(e.Address); err != nil {
		return &TakenError{e.Address, explain.Error(gateway.NewLocalPortError(err)).Text()}
	}
	return nil
}

// CanListen returns why this machine does not let a program listen at an address, or nil.
func CanListen(at netip.AddrPort) error {
	if err := listenOnce(at); err != nil {
		return errors.New(explain.Error(portholder.Explain(err)).Text())
	}
	return nil
}

// listenOnce listens at an address for a moment.
func listenOnce(at netip.AddrPort) error {
	listener, err := net.Listen("tcp", at.String())
	if err != nil {
		return err
	}
	return listener.Close()
}

// RemoveForward removes a fixed local port that AddForward has made, and returns when it is closed.
func (p *Instance) RemoveForward(ctx context.Context, model *session.Manager, name string, at netip.AddrPort) error {
	removed, err := p.Settings.RemoveForward(name, at)
	if err := saved(err); err != nil {
		return err
	}
	if !removed {
		for _, e := range p.Settings.Effective(name).Forwards() {
			if e.Address == at {
				return fmt.Errorf("%s is in %s: remove it there", at, p.Settings.File())
			}
		}
		return fmt.Errorf("context %s has no local port %s", name, at)
	}
	return forwardChange{p, model, name}.apply(ctx, func(endpoints session.Endpoints) (bool, error) {
		return !slices.ContainsFunc(endpoints, func(e session.Endpoint) bool { return e.Address == at.String() }), nil
	})
}

// saved returns the error of saving a choice, or nil if the choice was saved although the state file was damaged.
func saved(err error) error {
	if errors.As(err, new(*settings.DamagedError)) {
		return nil
	}
	return err
}

// apply passes changed settings to the model, and returns when done is true for the endpoints of a context, or when the
// context does not listen.
func (c forwardChange) apply(ctx context.Context, done func(session.Endpoints) (bool, error)) error {
	if err := c.UpdateModel(ctx, c.model); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	for snapshot := range c.model.Watch(ctx) {
		state, there := snapshot.Context(c.name)
		if !there || !state.Phase.Listening() {
			return nil // it is applied when the context is on
		}
		if done, err := done(state.Endpoints); done {
			return err
		}
	}
	return fmt.Errorf("context %s has not applied the change yet", c.name)
}

// missingTimeout bounds how long the cluster is asked whether it has a target.
const missingTimeout = 5 * time.Second

// Missing returns why a target does not exist in the cluster of a context that is on, in plain sentences, or "" if it may.
func (p *Instance) Missing(ctx context.Context, name, target string) string {
	g := p.Gateways.Running(name)
	if g == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, missingTimeout)
	defer cancel()
	err := g.Cluster().Resolve(ctx, target)
	if !errors.As(err, new(*fault.NotFound)) && !errors.As(err, new(*fault.NoEndpoints)) && !errors.As(err, new(*fault.Forbidden)) {
		return "" // the context itself has that trouble, if any, and shows it
	}
	return explain.Error(err).In(name).Text()
}

// forward carries out a client's request for a fixed local port, and returns what is to be noted of its target.
func (c *controlled) forward(ctx context.Context, name string, f control.Forward) (note string, err error) {
	if _, err := c.running(name); err != nil {
		return "", err
	}
	at, err := settings.ParseListen(f.Listen)
	if err != nil {
		return "", err
	}
	e := settings.Endpoint{Address: at, To: f.Target, Protocol: settings.Protocol(f.Protocol)}
	if err := (forwardChange{c.Instance, c.model.Manager, name}).add(ctx, e, f.Replace); err != nil {
		return "", err
	}
	return c.Missing(ctx, name, f.Target), nil
}

// unforward carries out a client's request to remove a fixed local port.
func (c *controlled) unforward(ctx context.Context, name, listen string) error {
	if _, err := c.stateOf(name); err != nil {
		return err
	}
	at, err := settings.ParseListen(listen)
	if err != nil {
		return err
	}
	return c.RemoveForward(ctx, c.model.Manager, name, at)
}
