package desktop_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/app/desktop"
)

func TestStartAtLoginIsTurnedOnAndOff(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	t.Setenv("XDG_DATA_HOME", filepath.Join(dir, "data"))
	file := filepath.Join(dir, "autostart", "fairlead.desktop")
	icon := filepath.Join(dir, "data", "icons", "hicolor", "64x64", "apps", "fairlead.png")
	picture := []byte("PNG")
	is := func(want bool) {
		t.Helper()
		if on, err := desktop.Autostart(); err != nil || on != want {
			t.Errorf("Autostart() = %t, %v", on, err)
		}
	}
	set := func(on bool) {
		t.Helper()
		if err := desktop.SetAutostart(on, picture); err != nil {
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
	if written, err := os.ReadFile(icon); err != nil || !bytes.Equal(written, picture) || !strings.Contains(string(text), "\nIcon="+icon+"\n") {
		t.Errorf("the picture is %d bytes, %v:\n%s", len(written), err, text)
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
	for _, left := range []string{file, icon} {
		if _, err := os.Stat(left); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", left, err)
		}
	}
	// The picture is not worth a failure.
	t.Setenv("XDG_DATA_HOME", "/dev/null")
	set(true)
	is(true)
	set(false)
	set(true)
	if text, err := os.ReadFile(file); err != nil || strings.Contains(string(text), "Icon=") {
		t.Errorf("%v:\n%s", err, text)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "file"))
	if err := desktop.SetAutostart(true, nil); err == nil || !strings.HasPrefix(err.Error(), "start at login: ") {
		t.Errorf("%v", err)
	}
}
