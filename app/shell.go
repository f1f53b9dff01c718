package main

import (
	"context"
	"errors"
	"os"
	"slices"

	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/app/shellenv"
	"fairlead/kube"
)

// restore turns on what was on when Fairlead last ended, but for contexts of production: those want a click each time. Before that it
// sees to the environment: a context goes by the proxies, and perhaps the kubeconfig, that stand there. The icon waits for neither.
func (p *program) restore(ctx context.Context, model *session.Manager) {
	p.environment(ctx, model)
	for _, name := range p.store.On() {
		if err := model.Do(ctx, session.Set{Name: name, On: true, Restored: true}); err != nil {
			p.log.Info().Str("context", name).Err(err).Msg("not turned on again")
		}
	}
}

// environment gives the program what it would have in a terminal, where a desktop started it or the settings ask for it: credential
// plugins are found then, and the kubeconfig that the user's files name.
func (p *program) environment(ctx context.Context, model *session.Manager) {
	switch wanted := p.settings.Config().LoginShell; {
	case wanted == settings.LoginShellNever, wanted != settings.LoginShellYes && !shellenv.Poor(os.Environ()):
		return
	}
	variables, err := shellenv.Read(ctx, "")
	switch {
	case ctx.Err() != nil:
		return
	case errors.Is(err, shellenv.ErrNoShell):
		p.log.Info().Err(err).Msg("environment stays the desktop's")
	case err != nil:
		p.log.Warn().Err(err).Msg("environment stays the desktop's")
	}
	if err != nil {
		variables = []string{"PATH=" + shellenv.UsualPath(os.Getenv("PATH"))}
	}
	changed, err := shellenv.Apply(variables)
	if err != nil {
		p.log.Warn().Err(err).Msg("environment of the login shell")
	}
	p.log.Info().Strs("variables", changed).Msg("environment completed")
	if slices.Contains(changed, "KUBECONFIG") {
		p.useKubeconfigs() // the settings' own come first
		p.learn(kube.Load(p.path), p.log)
		p.retell(ctx, model)
	}
}
