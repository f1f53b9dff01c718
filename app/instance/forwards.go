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
	"fairlead/app/portholder"
	"fairlead/app/session"
	"fairlead/app/settings"
)

// applyTimeout bounds how long a context may take to open a port.
const applyTimeout = 10 * time.Second

// maxChosen bounds how many fixed local ports a context can have that are not in the user's file.
const maxChosen = 200

// AddForward gives a context that is on a fixed local port, keeps it in the state, and returns when it listens. The error
// says who has the port, if it is taken.
func (p *Instance) AddForward(ctx context.Context, model *session.Manager, name string, e settings.Endpoint) error {
	if err := e.Check(); err != nil {
		return err
	}
	now := p.Settings.Effective(name).Endpoints
	at := slices.IndexFunc(now, e.Overlaps)
	switch {
	case at >= 0 && now[at].Address == e.Address && now[at].To == e.To && now[at].Protocol == e.Protocol:
		return nil // it is there already
	case at >= 0 && !now[at].Chosen, len(now) > maxChosen:
		return p.ownAddress(name, e)
	case at < 0:
		if err := p.free(name, e); err != nil {
			return err
		}
	}
	if err := saved(p.Settings.AddForward(name, e)); err != nil {
		return err
	}
	return p.applied(ctx, model, name, func(endpoints session.Endpoints) (bool, error) {
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

// ownAddress returns the error for an address that the context itself has.
func (p *Instance) ownAddress(name string, e settings.Endpoint) error {
	for _, other := range p.Settings.Effective(name).Endpoints {
		if e.Overlaps(other) {
			return fmt.Errorf("%s is taken by %s", e.Address, describe(name, other))
		}
	}
	return fmt.Errorf("context %s has %d addresses already", name, maxChosen)
}

func describe(name string, e settings.Endpoint) string {
	if e.IsForward() {
		return fmt.Sprintf("context %s, for %s", name, e.To)
	}
	return fmt.Sprintf("the proxy of context %s", name)
}

// free returns why an address cannot be listened on, or nil. Another context may have it without being on.
func (p *Instance) free(name string, e settings.Endpoint) error {
	for _, c := range p.Kubeconfig.Load().Contexts {
		for _, other := range p.Settings.Effective(c.Name).Endpoints {
			if c.Name != name && e.Overlaps(other) {
				return fmt.Errorf("%s is taken by %s", e.Address, describe(c.Name, other))
			}
		}
	}
	return CanListen(e.Address)
}

// CanListen returns why this machine does not let a program listen at an address, or nil.
func CanListen(at netip.AddrPort) error {
	listener, err := net.Listen("tcp", at.String())
	if err != nil {
		return errors.New(explain.Error(portholder.Explain(err)).Text())
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
	return p.applied(ctx, model, name, func(endpoints session.Endpoints) (bool, error) {
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

// applied passes changed settings to the model, and returns when done is true for the endpoints of a context, or when the
// context does not listen.
func (p *Instance) applied(ctx context.Context, model *session.Manager, name string, done func(session.Endpoints) (bool, error)) error {
	if err := p.UpdateModel(ctx, model); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	for snapshot := range model.Watch(ctx) {
		state, there := snapshot.Context(name)
		if !there || !state.Phase.Listening() {
			return nil // it is applied when the context is on
		}
		if done, err := done(state.Endpoints); done {
			return err
		}
	}
	return fmt.Errorf("context %s has not applied the change yet", name)
}

// forward carries out a client's request for a fixed local port.
func (c *controlled) forward(ctx context.Context, name string, f control.Forward) error {
	if _, err := c.running(name); err != nil {
		return err
	}
	at, err := settings.ParseListen(f.Listen)
	if err != nil {
		return err
	}
	return c.AddForward(ctx, c.model.Manager, name, settings.Endpoint{Address: at, To: f.Target, Protocol: settings.Protocol(f.Protocol)})
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
