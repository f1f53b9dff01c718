package instance

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fairlead/app/gateway"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/kube/kubeconfig"
)

// The menu shows the upstreams, which are no part of the model.
func TestAChangeOfTheSettingsIsReportedAlsoIfTheModelIsTheSame(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	store, damage, err := settings.Open(t.TempDir())
	if err := errors.Join(err, damage); err != nil {
		t.Fatal(err)
	}
	changed := make(chan struct{}, 10)
	p := &Instance{
		Store: store, Files: Files{Settings: settings.Load(store, file)}, Gateways: gateway.New(gateway.Config{}), Log: zerolog.Nop(),
		Changed: func() { changed <- struct{}{} },
	}
	k := kubeconfig.Config{}
	p.Kubeconfig.Store(&k)
	model := p.NewModel(session.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	go func() { ended <- model.Run(ctx) }()
	go func() { ended <- p.Follow(ctx, model) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, <-ended); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	if err := os.WriteFile(file, []byte("upstreams: {corp: {url: \"http://p\"}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The file may be read when it is made, before the upstream stands in it: that is a change of its own.
	for {
		select {
		case <-changed:
		case <-time.After(time.Minute):
			t.Fatal("no change of the upstreams was reported")
		}
		if _, there := p.Settings.Upstreams()["corp"]; there {
			return
		}
	}
}

// The menu says in which of them to look, and offers to open it.
func TestProblemsOfTheSettingsAreNotTheKubeconfigs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte("colour: blue\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	store, damage, err := settings.Open(t.TempDir())
	if err := errors.Join(err, damage); err != nil {
		t.Fatal(err)
	}
	p := &Instance{Store: store, Files: Files{Settings: settings.Load(store, file)}, Gateways: gateway.New(gateway.Config{}), Log: zerolog.Nop()}
	p.Kubeconfig.Store(&kubeconfig.Config{Problems: []kubeconfig.Problem{{File: "/k", Err: errors.New("it is none")}}})
	model := p.NewModel(session.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- model.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	if err := p.UpdateModel(ctx, model); err != nil {
		t.Fatal(err)
	}
	s := model.Snapshot()
	if len(s.SettingsProblems) != 1 || !strings.Contains(s.SettingsProblems[0], "colour") {
		t.Errorf("problems of the settings: %q", s.SettingsProblems)
	}
	if len(s.Problems) != 1 || !strings.Contains(s.Problems[0], "it is none") {
		t.Errorf("problems of the kubeconfig: %q", s.Problems)
	}
}
