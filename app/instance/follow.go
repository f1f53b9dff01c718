package instance

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"fairlead/app/gateway"
	"fairlead/app/session"
	"fairlead/kube/filewatch"
	"fairlead/kube/kubeconfig"
)

// Follow applies changes of the kubeconfig, of the settings, and of the files they name to the model, until ctx ends.
func (p *Instance) Follow(ctx context.Context, model *session.Manager) error {
	return p.follow(ctx,
		func(ctx context.Context) { p.tryUpdateModel(ctx, model) },
		func(ctx context.Context) { p.settingsChanged(ctx, model) })
}

// FollowGateway applies such changes to one gateway, until ctx ends.
func (p *Instance) FollowGateway(ctx context.Context, g *gateway.Gateway) error {
	reconfigure := func(ctx context.Context) {
		if err := g.Reconfigure(ctx); err != nil && ctx.Err() == nil {
			p.Log.Warn().Err(err).Str("context", g.Name()).Msg("change not applied")
		}
	}
	return p.follow(ctx, reconfigure, reconfigure)
}

// follow calls changed after changes of the kubeconfig and of files that it or the settings name, and settingsChanged after
// those of the settings, until ctx ends.
func (p *Instance) follow(ctx context.Context, changed, settingsChanged func(context.Context)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return kubeconfig.Watch(ctx, p.path, p.Kubeconfig.Load(), func(k kubeconfig.Config) {
			p.setKubeconfig(k, p.Log)
			changed(ctx)
		})
	})
	group.Go(func() error {
		filewatch.Watcher{
			Files: func() []string { return []string{p.Settings.File()} },
			Look: func(bool) time.Duration {
				if p.Settings.Reload() {
					settingsChanged(ctx)
				}
				return 0
			},
		}.Run(ctx)
		return nil
	})
	group.Go(func() error {
		// A renewed certificate changes the fingerprint of its context.
		last := ""
		files := func() []string { return certificateFiles(p.Kubeconfig.Load(), p.Settings) }
		filewatch.Watcher{
			Files: files,
			Look: func(bool) time.Duration {
				if now := gateway.FileStamps(files()...); now != last {
					last = now
					changed(ctx)
				}
				return 0
			},
		}.Run(ctx)
		return nil
	})
	return group.Wait()
}

func (p *Instance) settingsChanged(ctx context.Context, model *session.Manager) {
	if err := p.Settings.Problem(); err != nil {
		p.Log.Warn().Err(err).Msg("settings")
	} else {
		p.Log.Info().Str("file", p.Settings.File()).Msg("settings read")
	}
	UseKubeconfigs(p.path, p.Settings)
	p.tryUpdateModel(ctx, model)
	if p.Changed != nil {
		p.Changed()
	}
}

// tryUpdateModel is UpdateModel for callers that cannot return an error. The model may have stopped already.
func (p *Instance) tryUpdateModel(ctx context.Context, model *session.Manager) {
	if err := p.UpdateModel(ctx, model); err != nil && ctx.Err() == nil {
		p.Log.Debug().Err(err).Msg("model not updated")
	}
}

// ReadState reads the state again, which another program of the user has changed, and passes it to the model.
func (p *Instance) ReadState(ctx context.Context, model *session.Manager) error {
	if err := saved(p.Settings.ReadState()); err != nil {
		return err
	}
	if p.Changed != nil {
		p.Changed() // the model does not have all of it
	}
	return p.UpdateModel(ctx, model)
}
