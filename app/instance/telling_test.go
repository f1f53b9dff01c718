package instance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"fairlead/app/gateway"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/build/scaletest"
	"fairlead/kube/kubeconfig"
)

// The model is updated after each change of the kubeconfig or the settings, for all contexts.
func TestTellingTheModelTakesInProportionToTheContexts(t *testing.T) {
	scaletest.Linear(t, func(t *testing.T, n int) func() {
		k := kubeconfig.Load(scaletest.File(t, n))
		file := filepath.Join(t.TempDir(), "config.yaml")
		text := "contexts:\n  'team1-*': {namespace: one}\n  '*-region3-*': {outside: refuse}\n  team2-region2-ctx-2: {auto-off: 8h}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		store, damage, err := settings.Open(t.TempDir())
		if err := errors.Join(err, damage); err != nil {
			t.Fatal(err)
		}
		p := &Instance{Store: store, Files: Files{Settings: settings.Load(store, file)}, Gateways: gateway.New(gateway.Config{}), Log: zerolog.Nop()}
		if err := p.Settings.Problem(); err != nil {
			t.Fatal(err)
		}
		p.setKubeconfig(k, p.Log)
		model := p.NewModel(session.Config{})
		go func() { _ = model.Run(t.Context()) }()
		change := 0
		return func() {
			change++
			changed := k
			changed.Problems = []kubeconfig.Problem{{File: "f", Err: fmt.Errorf("change %d", change)}}
			p.Kubeconfig.Store(&changed)
			if err := p.UpdateModel(t.Context(), model); err != nil {
				t.Fatal(err)
			}
			if s := model.Snapshot(); len(s.Contexts) != n || len(s.Problems) != 1 {
				t.Fatalf("%d contexts, problems %v", len(s.Contexts), s.Problems)
			}
			certificateFiles(p.Kubeconfig.Load(), p.Settings)
		}
	})
}
