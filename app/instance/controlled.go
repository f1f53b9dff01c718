package instance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"fairlead/app/control"
	"fairlead/app/desktop"
	"fairlead/app/explain"
	"fairlead/app/gateway"
	"fairlead/app/logging"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/app/snippet"
)

// controlled carries out what clients of an instance's control socket ask for.
type controlled struct {
	*Instance
	model   OrderedModel
	windows desktop.Browsers
}

// server returns the server of the control socket. quit makes the program end.
func (c *controlled) server(kind control.Kind, quit func()) control.Server {
	return control.Server{
		Model:        c.model,
		Program:      control.Program{Version: Version(), Kind: kind, Since: c.started, Log: filepath.Join(c.Dir, logging.FileName)},
		Env:          c.env,
		Open:         c.open,
		SetNamespace: c.setNamespace,
		Connections:  c.connections,
		Close:        c.closeConnections,
		Services:     c.services,
		LogIn:        c.logIn,
		Forward:      c.forward,
		Unforward:    c.unforward,
		ReadState:    func(ctx context.Context) error { return c.Instance.ReadState(ctx, c.model.Manager) },
		Quit:         quit,
		Traffic:      c.traffic,
		Log:          c.Log,
	}
}

// stateOf returns the state of one context.
func (c *controlled) stateOf(name string) (session.State, error) {
	s, ok := c.model.Snapshot().Context(name)
	if !ok {
		return session.State{}, fmt.Errorf("context %q: %w", name, session.ErrUnknownContext)
	}
	return s, nil
}

// A notOnError is returned for what needs a context that is on.
type notOnError struct{ state session.State }

func (e *notOnError) Error() string {
	return fmt.Sprintf("context %s is %s: `fairlead on %s` switches it on", e.state.Name, e.state.Phase, e.state.Name)
}

// Unwrap returns the model's error for that.
func (e *notOnError) Unwrap() error { return session.ErrNotOn }

// running returns the gateway of a context that is on.
func (c *controlled) running(name string) (*gateway.Gateway, error) {
	state, err := c.stateOf(name)
	if err != nil {
		return nil, err
	}
	if g := c.Gateways.Running(name); g != nil && state.Phase.Listening() {
		return g, nil
	}
	return nil, &notOnError{state}
}

// env returns the text that makes a program use the proxy of a context that is on, or a resolver its nameserver.
func (c *controlled) env(_ context.Context, name, program string) (control.Snippet, error) {
	if snippet.IsResolver(program) {
		return c.resolver(name, program)
	}
	if _, err := c.running(name); err != nil {
		return control.Snippet{}, err
	}
	proxy, err := c.ProxyOf(name)
	if err != nil {
		return control.Snippet{}, err
	}
	made, err := snippet.Make(program, proxy)
	return control.Snippet{Text: made.Text, Note: made.Note}, err
}

// resolver returns the text that makes a resolver use the nameserver of a context, which need not be on.
func (c *controlled) resolver(name, kind string) (control.Snippet, error) {
	if _, err := c.stateOf(name); err != nil {
		return control.Snippet{}, err
	}
	effective := c.Settings.Effective(name)
	at := effective.Nameservers()
	if len(at) == 0 {
		return control.Snippet{}, fmt.Errorf("context %s has no nameserver: write dns: 127.0.0.1:1053 for it, below contexts in the settings (fairlead help names)", name)
	}
	made, err := snippet.MakeResolver(kind, snippet.Nameserver{Address: at[0].Address, Domain: effective.Domain()})
	return control.Snippet{Text: made.Text, Note: made.Note}, err
}

// open opens a browser in the cluster of a context that is on, at a URL or at the proxy's own page. Without a browser's
// name it is the first one found.
func (c *controlled) open(ctx context.Context, name, url, browser string) error {
	if _, err := c.running(name); err != nil {
		return err
	}
	browsers := desktop.FindBrowsers(cmp.Or(browser, c.Settings.Config().Browser))
	switch {
	case len(browsers) == 0:
		return ErrNoBrowser
	case browser != "" && !browsers[0].Is(browser):
		return NoBrowser(browser, browsers)
	}
	return c.OpenBrowser(ctx, &c.windows, browsers[0], name, url)
}

// setNamespace saves the namespace of a context's names without one, as if it was chosen in the menu.
func (c *controlled) setNamespace(ctx context.Context, name, namespace string) error {
	if _, err := c.stateOf(name); err != nil {
		return err
	}
	if err := c.Settings.SetNamespace(name, namespace); err != nil && !errors.As(err, new(*settings.DamagedError)) {
		return err
	}
	return c.UpdateModel(ctx, c.model.Manager)
}

// connections returns the open connections of a context that is on.
func (c *controlled) connections(name string) ([]control.Connection, error) {
	g, err := c.running(name)
	if err != nil {
		return nil, err
	}
	var open []control.Connection
	for _, one := range g.Connections() {
		open = append(open, control.Connection{
			Context: name, ID: one.ID, Protocol: string(one.Protocol), Client: one.Client, Target: one.Target, Route: one.Rule, Stage: string(one.Stage),
			Sent: one.Sent, Received: one.Received, Since: one.Opened,
		})
	}
	return open, nil
}

// closeConnections closes the open connections of a context that is on, and returns how many there were.
func (c *controlled) closeConnections(name string) (int, error) {
	g, err := c.running(name)
	if err != nil {
		return 0, err
	}
	return g.CloseConnections(), nil
}

// services lists the Services in the cluster of a context that is on.
func (c *controlled) services(ctx context.Context, name, namespace string) ([]control.Service, error) {
	g, err := c.running(name)
	if err != nil {
		return nil, err
	}
	found, err := g.Cluster().Services(ctx, namespace)
	if err != nil {
		return nil, errors.New(explain.Error(err).In(name).Text())
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

// logIn logs in to the cluster of a context that is on again. The cluster reports the result to the model, too.
func (c *controlled) logIn(ctx context.Context, name string) error {
	g, err := c.running(name)
	if err != nil {
		return err
	}
	g.Approve()
	if err := g.Cluster().LogIn(ctx); err != nil {
		return errors.New(explain.Error(err).In(name).Text())
	}
	return nil
}

// traffic returns what the running contexts have carried.
func (c *controlled) traffic() map[string]control.Traffic {
	carried := map[string]control.Traffic{}
	for _, g := range c.Gateways.All() {
		t := g.Traffic()
		carried[g.Name()] = control.Traffic{Open: t.Open, Total: t.Total, Sent: t.Sent, Received: t.Received}
	}
	return carried
}
