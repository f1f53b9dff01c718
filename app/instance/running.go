package instance

import (
	"context"
	"errors"

	"fairlead/app/control"
	"fairlead/app/explain"
	"fairlead/app/gateway"
	"fairlead/app/settings"
)

// running returns the gateway of a context that is on.
func (p *Instance) running(model OrderedModel, name string) (*gateway.Gateway, error) {
	state, err := stateOf(model, name)
	if err != nil {
		return nil, err
	}
	if g := p.Gateways.Running(name); g != nil && state.Phase.Listening() {
		return g, nil
	}
	return nil, &notOnError{state}
}

// setNamespace saves the namespace of a context's names without one, as if it was chosen in the menu.
func (p *Instance) setNamespace(ctx context.Context, model OrderedModel, name, namespace string) error {
	if _, err := stateOf(model, name); err != nil {
		return err
	}
	if err := p.Settings.SetNamespace(name, namespace); err != nil && !errors.As(err, new(*settings.DamagedError)) {
		return err
	}
	return p.UpdateModel(ctx, model.Manager)
}

// connections returns the open connections of a gateway.
func connections(g *gateway.Gateway) []control.Connection {
	var open []control.Connection
	for _, c := range g.Connections() {
		open = append(open, control.Connection{
			Context: g.Name(), ID: c.ID, Protocol: string(c.Protocol), Client: c.Client, Target: c.Target, Route: c.Rule, Stage: string(c.Stage),
			Sent: c.Sent, Received: c.Received, Since: c.Opened,
		})
	}
	return open
}

// services lists the Services that a gateway's cluster has.
func services(ctx context.Context, g *gateway.Gateway, namespace string) ([]control.Service, error) {
	found, err := g.Cluster().Services(ctx, namespace)
	if err != nil {
		return nil, errors.New(explain.Error(err).In(g.Name()).Text())
	}
	var list []control.Service
	for _, s := range found {
		one := control.Service{Namespace: s.Namespace, Name: s.Name, External: s.External, Ports: []control.ServicePort{}}
		for _, port := range s.Ports {
			one.Ports = append(one.Ports, control.ServicePort{Number: port.Number, Name: port.Name})
		}
		list = append(list, one)
	}
	return list, nil
}

// logIn logs in to a gateway's cluster again, at the wish of the user. The cluster reports the result to the model, too.
func logIn(ctx context.Context, g *gateway.Gateway) error {
	g.Approve()
	if err := g.Cluster().LogIn(ctx); err != nil {
		return errors.New(explain.Error(err).In(g.Name()).Text())
	}
	return nil
}
