package instance

import (
	"context"
	"errors"
	"os"
	"slices"

	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/app/shellenv"
	"fairlead/kube/kubeconfig"
)

// Restore turns on what was on when Fairlead last ended, but for contexts of production: those want a click each time. Before that it
// sees to the environment: a context goes by the proxies, and perhaps the kubeconfig, that stand there. The icon waits for neither.
func (p *Instance) Restore(ctx context.Context, model *session.Manager) {
	p.completeEnvironment(ctx, model)
	for _, name := range p.Store.On() {
		if err := model.Do(ctx, session.Set{Name: name, On: true, Restored: true}); err != nil {
			p.Log.Info().Str("context", name).Err(err).Msg("not turned on again")
		}
	}
}

// completeEnvironment gives the program what it would have in a terminal, where a desktop started it or the settings ask for it: credential
// plugins are found then, and the kubeconfig that the user's files name.
func (p *Instance) completeEnvironment(ctx context.Context, model *session.Manager) {
	switch wanted := p.Settings.Config().LoginShell; {
	case wanted == settings.LoginShellNever, wanted != settings.LoginShellYes && !shellenv.Poor(os.Environ()):
		return
	}
	variables, err := shellenv.Read(ctx, "")
	switch {
	case ctx.Err() != nil:
		return
	case errors.Is(err, shellenv.ErrNoShell):
		p.Log.Info().Err(err).Msg("environment stays the desktop's")
	case err != nil:
		p.Log.Warn().Err(err).Msg("environment stays the desktop's")
	}
	if err != nil {
		variables = []string{"PATH=" + shellenv.UsualPath(os.Getenv("PATH"))}
	}
	changed, err := shellenv.Apply(variables)
	if err != nil {
		p.Log.Warn().Err(err).Msg("environment of the login shell")
	}
	p.Log.Info().Strs("variables", changed).Msg("environment completed")
	if slices.Contains(changed, "KUBECONFIG") {
		p.useKubeconfigs() // the settings' own come first
		p.setKubeconfig(kubeconfig.Load(p.path), p.Log)
		p.tryUpdateModel(ctx, model)
	}
}
