package settings

import (
	"path/filepath"
	"testing"
	"time"
)

// The menu and each failing connection read settings, so they must not wait for a change that waits for the disk.
func TestReadersDoNotWaitForAChangeUnderWay(t *testing.T) {
	dir := t.TempDir()
	store, damage, err := Open(dir)
	if err != nil || damage != nil {
		t.Fatal(err, damage)
	}
	s := Load(store, filepath.Join(dir, "config.yaml"))
	release, err := lockState(dir) // like another process that hangs while it writes
	if err != nil {
		t.Fatal(err)
	}
	changed, asked := make(chan error, 1), make(chan bool, 1)
	go func() { changed <- store.SetOn("a", true) }()
	for store.changing.TryLock() { // until the change waits
		store.changing.Unlock()
		time.Sleep(time.Millisecond)
	}
	go func() {
		store.On()
		s.Effective("a")
		s.Seen("a")
		asked <- s.Notifies(NotifyDials)
	}()
	select {
	case <-asked:
	case <-time.After(lockTimeout / 2):
		t.Error("a question waits for the change")
	}
	release()
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
	if on := store.On(); len(on) != 1 || on[0] != "a" {
		t.Errorf("on: %v", on)
	}
}
