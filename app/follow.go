package main

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"fairlead/app/session"
	"fairlead/kube"
	"fairlead/kube/filewatch"
)

// follow tells the model of every change of the kubeconfig, of the settings, and of the files they name, until ctx ends.
func (p *program) follow(ctx context.Context, model *session.Manager) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return kube.Watch(ctx, p.path, p.kubeconfig.Load(), func(k kube.Kubeconfig) {
			p.learn(k, p.log)
			p.retell(ctx, model)
		})
	})
	group.Go(func() error {
		filewatch.Watcher{
			Files: func() []string { return []string{p.settings.File()} },
			Look: func(bool) time.Duration {
				if p.settings.Reload() {
					p.settingsChanged(ctx, model)
				}
				return 0
			},
		}.Run(ctx)
		return nil
	})
	group.Go(func() error {
		// A certificate that was renewed makes the fingerprint of its context another.
		last := ""
		filewatch.Watcher{
			Files: p.listenerFiles,
			Look: func(bool) time.Duration {
				if now := dates(p.listenerFiles()...); now != last {
					last = now
					p.retell(ctx, model)
				}
				return 0
			},
		}.Run(ctx)
		return nil
	})
	return group.Wait()
}

func (p *program) settingsChanged(ctx context.Context, model *session.Manager) {
	if err := p.settings.Problem(); err != nil {
		p.log.Warn().Err(err).Msg("settings")
	} else {
		p.log.Info().Str("file", p.settings.File()).Msg("settings read")
	}
	p.useKubeconfigs()
	p.retell(ctx, model)
}

// retell is tell where the model may have stopped meanwhile.
func (p *program) retell(ctx context.Context, model *session.Manager) {
	if err := p.tell(ctx, model); err != nil && ctx.Err() == nil {
		p.log.Debug().Err(err).Msg("model not told")
	}
}
