package settings

import (
	"path/filepath"
	"testing"
)

func TestApprovedPluginsAreRemembered(t *testing.T) {
	dir := t.TempDir()
	load := func() *Settings {
		store, damage, err := Open(dir)
		if err != nil || damage != nil {
			t.Fatal(err, damage)
		}
		return Load(store, filepath.Join(dir, "config.yaml"))
	}
	s := load()
	if err := s.Approve(""); err != nil || s.Approved("") {
		t.Errorf("a context without one: %v", err)
	}
	if err := s.Approve("x"); err != nil {
		t.Fatal(err)
	}
	if next := load(); !next.Approved("x") || next.Approved("y") {
		t.Errorf("remembered %v", next.store.known().Plugins)
	}
}
