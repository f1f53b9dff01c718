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

// environment gives the program what it would have in a terminal, where a desktop started it or the settings ask for it: credential
// plugins are found then, and the kubeconfig that the user's files name. It takes its time beside everything else; a context that
// comes to light so late and was on when Fairlead last ended is turned on.
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
	p.log.Info().Strs("variables", changed).Msg("environment taken over from the login shell")
	if !slices.Contains(changed, "KUBECONFIG") {
		return
	}
	before := p.kubeconfig.Load().Contexts
	p.useKubeconfigs() // the settings' own come first
	p.learn(kube.Load(p.path))
	p.retell(ctx, model)
	p.turnOnAgain(ctx, model, func(name string) bool {
		return !slices.ContainsFunc(before, func(c kube.Context) bool { return c.Name == name })
	})
}

// turnOnAgain turns on those of the contexts that were on when Fairlead last ended.
func (p *program) turnOnAgain(ctx context.Context, model *session.Manager, those func(name string) bool) {
	for _, name := range p.store.On() {
		if !those(name) {
			continue
		}
		if err := model.Do(ctx, session.Set{Name: name, On: true, Restored: true}); err != nil {
			p.log.Info().Str("context", name).Err(err).Msg("not turned on again")
		}
	}
}
