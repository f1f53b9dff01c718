package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"fairlead/app/control"
	"fairlead/app/desktop"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/app/snippet"
)

// control answers at the control socket until ctx ends. The tray takes the socket over from a serve that has it; a serve
// goes without where another Fairlead answers. Fairlead does its work without the socket, too, so what goes wrong with it
// is logged.
func (p *program) control(ctx context.Context, model control.Model, kind string) error {
	path, err := settings.Socket(p.dir)
	if err != nil {
		p.log.Warn().Err(err).Msg("no control socket")
		return nil
	}
	ln, err := control.Listen(path, kind == "tray", p.log)
	if errors.Is(err, control.ErrTaken) {
		p.log.Info().Msg("another Fairlead answers the command line")
		return nil
	}
	if err != nil {
		p.log.Warn().Err(err).Msg("no control socket")
		return nil
	}
	windows := &desktop.Browsers{}
	server := control.Server{
		Model:   model,
		Program: control.Program{Version: version(), Kind: kind, Log: filepath.Join(p.dir, logName)},
		Env: func(_ context.Context, name, program string) (control.Snippet, error) {
			state, err := stateOf(model, name)
			if err != nil {
				return control.Snippet{}, err
			}
			return p.snippet(state, program)
		},
		Open: func(ctx context.Context, name string) error {
			state, err := stateOf(model, name)
			if err != nil {
				return err
			}
			return p.openFirst(ctx, windows, state)
		},
		Traffic: p.wiring.running.traffic,
		Log:     p.log,
	}
	return errors.Join(server.Serve(ctx, ln), windows.Close())
}

// stateOf is how one context fares.
func stateOf(model control.Model, name string) (session.State, error) {
	contexts := model.Snapshot().Contexts
	at := slices.IndexFunc(contexts, func(s session.State) bool { return s.Name == name })
	if at < 0 {
		return session.State{}, fmt.Errorf("context %q: %w", name, session.ErrUnknownContext)
	}
	return contexts[at], nil
}

func notOn(s session.State) error {
	return fmt.Errorf("context %s is %s: `fairlead on %s` switches it on", s.Name, s.Phase, s.Name)
}

// snippet is what to paste to make a program use a running context's proxy.
func (p *program) snippet(state session.State, program string) (control.Snippet, error) {
	if !state.Phase.Listening() {
		return control.Snippet{}, notOn(state)
	}
	proxy, err := p.proxyOf(state.Name)
	if err != nil {
		return control.Snippet{}, err
	}
	made, err := snippet.Make(program, proxy)
	return control.Snippet{Text: made.Text, Note: made.Note}, err
}

// traffic is what the running proxies have carried.
func (r *proxies) traffic() map[string]control.Traffic {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	carried := map[string]control.Traffic{}
	for p := range r.addresses {
		t := p.server.Traffic()
		carried[p.name] = control.Traffic{Open: t.Open, Total: t.Total, Sent: t.Sent, Received: t.Received}
	}
	return carried
}
