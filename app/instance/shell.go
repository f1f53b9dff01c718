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

// Restore switches on what was on when Fairlead last ended, except production contexts, which need a click each time.
// It completes the environment first, because a context uses the proxies, and perhaps the kubeconfig, that are set
// there. The icon waits for neither.
func (p *Instance) Restore(ctx context.Context, model *session.Manager) {
	p.completeEnvironment(ctx, model)
	for _, name := range p.Store.On() {
		if err := model.Do(ctx, session.Set{Name: name, On: true, Restored: true}); err != nil {
			p.Log.Info().Str("context", name).Err(err).Msg("context not restored")
		}
	}
}

// completeEnvironment reads the environment of the user's login shell if a desktop started the program or the settings
// ask for it. Then credential plugins are found as in a terminal, and the user's KUBECONFIG is known.
func (p *Instance) completeEnvironment(ctx context.Context, model *session.Manager) {
	switch wanted := p.Settings.Config().LoginShell; {
	case wanted == settings.LoginShellNever, wanted != settings.LoginShellYes && !shellenv.Minimal(os.Environ()):
		return
	}
	variables, err := shellenv.Read(ctx, "")
	switch {
	case ctx.Err() != nil:
		return
	case errors.Is(err, shellenv.ErrNoShell):
		p.Log.Info().Err(err).Msg("login shell not read")
	case err != nil:
		p.Log.Warn().Err(err).Msg("login shell not read")
	}
	if err != nil {
		variables = []string{"PATH=" + shellenv.UsualPath(os.Getenv("PATH"))}
	}
	changed, err := shellenv.Apply(variables)
	if err != nil {
		p.Log.Warn().Err(err).Msg("login shell's environment not applied")
	}
	p.Log.Info().Strs("variables", changed).Msg("environment completed")
	if slices.Contains(changed, "KUBECONFIG") {
		UseKubeconfigs(p.path, p.Settings) // files in the settings take precedence
		p.setKubeconfig(kubeconfig.Load(p.path), p.Log)
		p.tryUpdateModel(ctx, model)
	}
}
