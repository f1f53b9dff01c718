package instance

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"fairlead/app/session"
	"fairlead/app/settings"
)

// Contexts named in one command start at the same time, each in a goroutine of its own.
func TestPortsAreGivenInTheOrderNamed(t *testing.T) {
	names := []string{"zebra", "ape", "lion", "bear", "eagle", "crow"}
	for range 30 {
		dir := t.TempDir()
		store, damage, err := settings.Open(dir)
		if err := errors.Join(err, damage); err != nil {
			t.Fatal(err)
		}
		s := settings.Load(store, filepath.Join(dir, "config.yaml"))
		started := make(chan error, len(names))
		manager := session.New(session.Config{
			Start: func(_ context.Context, name string, _ bool, _ func(error)) (session.Proxy, error) {
				_, err := s.Prepare(name)
				started <- err
				return nil, errors.New("nothing is to listen")
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- manager.Run(ctx) }()
		model := OrderedModel{manager, s}
		entries := []session.Entry{{Name: "broken", Problem: "It names no cluster."}}
		for _, name := range slices.Sorted(slices.Values(names)) {
			entries = append(entries, session.Entry{Name: name})
		}
		if err := model.Do(ctx, session.SetContexts{Entries: entries}); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"unknown", "broken"} {
			if model.Do(ctx, session.Set{Name: name, On: true}) == nil || s.Effective(name).Port() != 0 {
				t.Errorf("%s was switched on, or given a port", name)
			}
		}
		for _, name := range names {
			if err := model.Do(ctx, session.Set{Name: name, On: true}); err != nil {
				t.Fatal(err)
			}
		}
		for range names {
			if err := <-started; err != nil {
				t.Fatal(err)
			}
		}
		for i, name := range names {
			if port := s.Effective(name).Port(); port != settings.FirstPort+i {
				t.Fatalf("%s has port %d; of %v it is number %d", name, port, names, i)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}
