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

// Control answers at the control socket until ctx ends. The tray takes the socket over from a serve that has it; a serve
// goes without where another Fairlead answers, until that has ended. Fairlead does its work without the socket, too, so what
// goes wrong with it is logged.
func (p *Instance) Control(ctx context.Context, model control.Model, kind string) error {
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
		Open: func(ctx context.Context, name string) error {
			state, err := stateOf(model, name)
			if err != nil {
				return err
			}
			return p.openFirstBrowser(ctx, windows, state)
		},
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

// logEnd logs why the control socket was given up, if it was.
func (p *Instance) logEnd(err error) {
	if err != nil {
		p.Log.Warn().Err(err).Msg("control socket")
	}
}

// answerWhenFree answers at the control socket whenever nobody else does, until ctx ends. The file of the socket is watched for that,
// and asked for twice a minute, since a program that was killed leaves it behind.
func (p *Instance) answerWhenFree(ctx context.Context, path string, server control.Server) {
	var own os.FileInfo // the socket as we made it; nil: we have none
	var problem string  // as it was logged last
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
					p.Log.Info().Msg("another Fairlead answers the command line")
				default:
					p.Log.Warn().Err(err).Msg("no control socket")
				}
				problem = said
				return 0
			}
			// Who is still connected to the socket that we had before comes back to this one.
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

// stateOf is how one context fares.
func stateOf(model control.Model, name string) (session.State, error) {
	contexts := model.Snapshot().Contexts
	at := slices.IndexFunc(contexts, func(s session.State) bool { return s.Name == name })
	if at < 0 {
		return session.State{}, fmt.Errorf("context %q: %w", name, session.ErrUnknownContext)
	}
	return contexts[at], nil
}

func errNotOn(s session.State) error {
	return fmt.Errorf("context %s is %s: `fairlead on %s` switches it on", s.Name, s.Phase, s.Name)
}

// snippet is what to paste to make a program use a running context's proxy.
func (p *Instance) snippet(state session.State, program string) (control.Snippet, error) {
	if !state.Phase.Listening() {
		return control.Snippet{}, errNotOn(state)
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
