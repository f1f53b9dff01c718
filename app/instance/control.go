package instance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"fairlead/app/control"
	"fairlead/app/desktop"
	"fairlead/app/logging"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/app/snippet"
	"fairlead/kube/filewatch"
)

// Control serves the control socket until ctx ends. The tray takes the socket over from a serve that has it. A serve
// leaves the socket to another Fairlead until that one has ended. Fairlead works without the socket, so failures are
// only logged. quit makes the program end.
func (p *Instance) Control(ctx context.Context, model OrderedModel, kind string, quit func()) error {
	p.Log.Debug().Str("version", Version()).Str("kind", kind).Msg("started")
	defer func() { p.Log.Debug().Str("kind", kind).Msg("ended") }()
	path, err := settings.Socket(p.Dir)
	if err != nil {
		p.Log.Warn().Err(err).Msg("no control socket")
		return nil
	}
	windows := &desktop.Browsers{}
	server := control.Server{
		Model:   model,
		Program: control.Program{Version: Version(), Kind: kind, Since: p.started, Log: filepath.Join(p.Dir, logging.FileName)},
		Env: func(_ context.Context, name, program string) (control.Snippet, error) {
			state, err := stateOf(model, name)
			if err != nil {
				return control.Snippet{}, err
			}
			return p.snippet(state, program)
		},
		Open: func(ctx context.Context, name, url, browser string) error {
			state, err := stateOf(model, name)
			if err != nil {
				return err
			}
			return p.openNamedBrowser(ctx, windows, state, url, browser)
		},
		SetNamespace: func(ctx context.Context, name, namespace string) error {
			return p.setNamespace(ctx, model, name, namespace)
		},
		Connections: func(name string) ([]control.Connection, error) {
			g, err := p.running(model, name)
			if err != nil {
				return nil, err
			}
			return connections(g), nil
		},
		Close: func(name string) (int, error) {
			g, err := p.running(model, name)
			if err != nil {
				return 0, err
			}
			return g.CloseConnections(), nil
		},
		Services: func(ctx context.Context, name, namespace string) ([]control.Service, error) {
			g, err := p.running(model, name)
			if err != nil {
				return nil, err
			}
			return services(ctx, g, namespace)
		},
		LogIn: func(ctx context.Context, name string) error {
			g, err := p.running(model, name)
			if err != nil {
				return err
			}
			return logIn(ctx, g)
		},
		Quit:    quit,
		Traffic: p.traffic,
		Log:     p.Log,
	}
	if kind == "serve" {
		p.answerWhenFree(ctx, path, server)
		return windows.Close()
	}
	ln, err := control.Listen(path, true, p.Log)
	if err != nil {
		p.Log.Warn().Err(err).Msg("no control socket")
		return nil
	}
	p.logEnd(server.Serve(ctx, ln))
	return windows.Close()
}

// logEnd logs why serving the control socket ended, if it failed.
func (p *Instance) logEnd(err error) {
	if err != nil {
		p.Log.Warn().Err(err).Msg("control socket")
	}
}

// answerWhenFree serves the control socket whenever no other Fairlead does, until ctx ends. It watches the socket's
// file, and tries the socket twice a minute, because a program that was killed leaves the file behind.
func (p *Instance) answerWhenFree(ctx context.Context, path string, server control.Server) {
	var own os.FileInfo // the socket that we made; nil if we have none
	var problem string  // the one logged last
	end, ended := func() {}, make(chan error, 1)
	ended <- nil
	filewatch.Watcher{
		Files: func() []string { return []string{path} },
		Look: func(bool) time.Duration {
			if now, err := os.Lstat(path); err == nil && own != nil && os.SameFile(now, own) {
				return 0
			}
			ln, err := control.Listen(path, false, p.Log)
			if said := fmt.Sprint(err); err != nil {
				switch {
				case said == problem:
				case errors.Is(err, control.ErrTaken):
					p.Log.Info().Msg("control socket is served by another Fairlead")
				default:
					p.Log.Warn().Err(err).Msg("no control socket")
				}
				problem = said
				return 0
			}
			// Clients still connected to our previous socket reconnect to this one.
			end()
			p.logEnd(<-ended)
			own, _ = os.Lstat(path)
			problem = ""
			var serving context.Context
			serving, end = context.WithCancel(ctx)
			go func() { ended <- server.Serve(serving, ln) }()
			return 0
		},
	}.Run(ctx)
	end()
	p.logEnd(<-ended)
}

// stateOf returns the state of one context.
func stateOf(model control.Model, name string) (session.State, error) {
	contexts := model.Snapshot().Contexts
	at := slices.IndexFunc(contexts, func(s session.State) bool { return s.Name == name })
	if at < 0 {
		return session.State{}, fmt.Errorf("context %q: %w", name, session.ErrUnknownContext)
	}
	return contexts[at], nil
}

// A notOnError is returned for what needs a context that is on.
type notOnError struct{ state session.State }

func (e *notOnError) Error() string {
	return fmt.Sprintf("context %s is %s: `fairlead on %s` switches it on", e.state.Name, e.state.Phase, e.state.Name)
}

// Unwrap returns the model's error for that.
func (e *notOnError) Unwrap() error { return session.ErrNotOn }

// snippet returns the text that makes a program use a running context's proxy.
func (p *Instance) snippet(state session.State, program string) (control.Snippet, error) {
	if !state.Phase.Listening() {
		return control.Snippet{}, &notOnError{state}
	}
	proxy, err := p.ProxyOf(state.Name)
	if err != nil {
		return control.Snippet{}, err
	}
	made, err := snippet.Make(program, proxy)
	return control.Snippet{Text: made.Text, Note: made.Note}, err
}

// traffic returns what the running contexts have carried.
func (p *Instance) traffic() map[string]control.Traffic {
	carried := map[string]control.Traffic{}
	for _, g := range p.Gateways.All() {
		t := g.Traffic()
		carried[g.Name()] = control.Traffic{Open: t.Open, Total: t.Total, Sent: t.Sent, Received: t.Received}
	}
	return carried
}
