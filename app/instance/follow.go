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
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return kubeconfig.Watch(ctx, p.path, p.Kubeconfig.Load(), func(k kubeconfig.Config) {
			p.setKubeconfig(k, p.Log)
			p.tryUpdateModel(ctx, model)
		})
	})
	group.Go(func() error {
		filewatch.Watcher{
			Files: func() []string { return []string{p.Settings.File()} },
			Look: func(bool) time.Duration {
				if p.Settings.Reload() {
					p.settingsChanged(ctx, model)
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
					p.tryUpdateModel(ctx, model)
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

// tryUpdateModel calls UpdateModel where the model may have stopped already.
func (p *Instance) tryUpdateModel(ctx context.Context, model *session.Manager) {
	if err := p.UpdateModel(ctx, model); err != nil && ctx.Err() == nil {
		p.Log.Debug().Err(err).Msg("model not updated")
	}
}
