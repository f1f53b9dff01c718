package instance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"fairlead/app/control"
	"fairlead/app/settings"
	"fairlead/kube/filewatch"
)

// Control serves the control socket until ctx ends. The tray takes the socket over from a running serve. A serve leaves
// the socket to another Fairlead until that has ended. Fairlead works without the socket, so failures are only logged.
// quit makes the program end.
func (p *Instance) Control(ctx context.Context, model OrderedModel, kind control.Kind, quit func()) error {
	p.Log.Debug().Str("version", Version()).Str("kind", string(kind)).Msg("started")
	defer func() { p.Log.Debug().Str("kind", string(kind)).Msg("ended") }()
	path, err := settings.Socket(p.Dir)
	if err != nil {
		p.Log.Warn().Err(err).Msg("no control socket")
		return nil
	}
	c := &controlled{Instance: p, model: model}
	server := c.server(kind, quit)
	if kind == control.Serve {
		c.serveWhenFree(ctx, path, server)
		return c.windows.Close()
	}
	ln, err := control.Listen(path, true, p.Log)
	if err != nil {
		p.Log.Warn().Err(err).Msg("no control socket")
		return nil
	}
	c.logEnd(server.Serve(ctx, ln))
	return c.windows.Close()
}

// logEnd logs why serving the control socket ended, if it failed.
func (c *controlled) logEnd(err error) {
	if err != nil {
		c.Log.Warn().Err(err).Msg("control socket")
	}
}

// serveWhenFree serves the control socket whenever no other Fairlead does, until ctx ends. It watches the socket's
// file, and tries the socket twice a minute, because a program that was killed leaves the file behind.
func (c *controlled) serveWhenFree(ctx context.Context, path string, server control.Server) {
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
			ln, err := control.Listen(path, false, c.Log)
			if said := fmt.Sprint(err); err != nil {
				switch {
				case said == problem:
				case errors.Is(err, control.ErrTaken):
					c.Log.Info().Msg("control socket is served by another Fairlead")
				default:
					c.Log.Warn().Err(err).Msg("no control socket")
				}
				problem = said
				return 0
			}
			// Clients still connected to our previous socket reconnect to this one.
			end()
			c.logEnd(<-ended)
			own, _ = os.Lstat(path)
			problem = ""
			var serving context.Context
			serving, end = context.WithCancel(ctx)
			go func() { ended <- server.Serve(serving, ln) }()
			return 0
		},
	}.Run(ctx)
	end()
	c.logEnd(<-ended)
}
