package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"

	"fairlead/app/control"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/app/snippet"
)

// control answers at the control socket until ctx ends. The tray takes the socket over from a serve that has it; a serve goes without
// where another Fairlead answers. Fairlead does its work without the socket, too, so what goes wrong with it is logged.
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
	server := control.Server{
		Model:   model,
		Program: control.Program{Version: version(), Kind: kind, Log: filepath.Join(p.dir, logName)},
		Env: func(_ context.Context, name, program string) (control.Snippet, error) {
			return p.snippet(model.Snapshot(), name, program)
		},
		Log: p.log,
	}
	return server.Serve(ctx, ln)
}

// snippet is what to paste to make a program use a running context's proxy.
func (p *program) snippet(snapshot session.Snapshot, name, program string) (control.Snippet, error) {
	at := slices.IndexFunc(snapshot.Contexts, func(s session.State) bool { return s.Name == name })
	if at < 0 {
		return control.Snippet{}, fmt.Errorf("context %q: %w", name, session.ErrUnknownContext)
	}
	state := snapshot.Contexts[at]
	if !state.Phase.Listening() {
		return control.Snippet{}, fmt.Errorf("context %s is %s: `fairlead on %s` switches it on", name, state.Phase, name)
	}
	address, err := netip.ParseAddrPort(state.Address)
	if err != nil {
		return control.Snippet{}, fmt.Errorf("context %s: %w", name, err)
	}
	if address.Addr().IsUnspecified() {
		address = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), address.Port())
	}
	proxy := snippet.Proxy{Address: address}
	if state.Password {
		credentials, err := p.credentials(name)
		if err != nil {
			return control.Snippet{}, err
		}
		proxy.User, proxy.Password = credentials.User, credentials.Password
	}
	made, err := snippet.Make(program, proxy)
	return control.Snippet{Text: made.Text, Note: made.Note}, err
}

// credentials are what a context's clients give.
func (p *program) credentials(name string) (settings.Credentials, error) {
	file, err := settings.ConfigFile()
	if err != nil {
		return settings.Credentials{}, err
	}
	return settings.Load(p.settings, file).Effective(name).Credentials, nil
}
