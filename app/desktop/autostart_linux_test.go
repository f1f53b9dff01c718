package desktop_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/app/desktop"
)

func TestStartAtLoginIsTurnedOnAndOff(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	file := filepath.Join(dir, "autostart", "fairlead.desktop")
	is := func(want bool) {
		t.Helper()
		if on, err := desktop.Autostart(); err != nil || on != want {
			t.Errorf("Autostart() = %t, %v", on, err)
		}
	}
	set := func(on bool) {
		t.Helper()
		if err := desktop.SetAutostart(on); err != nil {
			t.Error(err)
		}
	}
	is(false)
	set(false) // nothing to disable
	set(true)
	is(true)
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), "\nExec=\""+os.Args[0]+"\"\n") {
		t.Errorf("%v:\n%s", err, text)
	}
	if out, err := os.ReadDir(filepath.Dir(file)); err != nil || len(out) != 1 {
		t.Errorf("left over: %v, %v", out, err)
	}
	for _, off := range []string{"Hidden=true\n", "X-GNOME-Autostart-enabled=false\n"} { // like desktops
		if err := os.WriteFile(file, append(text[:len(text):len(text)], off...), 0o600); err != nil {
			t.Fatal(err)
		}
		is(false)
	}
	set(true)
	is(true)
	set(false)
	is(false)
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "file"))
	if err := desktop.SetAutostart(true); err == nil || !strings.HasPrefix(err.Error(), "start at login: ") {
		t.Errorf("%v", err)
	}
}
