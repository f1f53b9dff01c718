package desktop_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/app/desktop"
)

func TestATerminalRunsTheCommandWordByWord(t *testing.T) {
	noLeaks(t)
	t.Setenv("DISPLAY", ":99")
	for _, test := range []struct{ desktops, program, want string }{
		{"", "xterm", "-e"}, {"XFCE", "xfce4-terminal", "-x"}, {"ubuntu:GNOME", "gnome-terminal", "--"}, {"KDE", "konsole", "-e"}, {"", "xdg-terminal-exec", ""},
	} {
		t.Setenv("PATH", "/usr/bin:/bin")
		dir := script(t, test.program, `for word; do printf '%s\n' "$word"; done > "$(dirname "$0")/words"`)
		for _, tool := range []string{"dirname"} {
			if err := os.Symlink("/usr/bin/"+tool, filepath.Join(dir, tool)); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv("PATH", dir) // no other terminal
		t.Setenv("XDG_CURRENT_DESKTOP", test.desktops)
		if !desktop.HasTerminal() {
			t.Errorf("%s is not found", test.program)
		}
		if err := desktop.OpenTerminal(t.Context(), "fairlead", "doctor", "--context=a $(touch hurt) 'b'"); err != nil {
			t.Error(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, "words"))
		if want := strings.TrimPrefix(test.want+"\n", "\n") + "fairlead\ndoctor\n--context=a $(touch hurt) 'b'\n"; err != nil || string(got) != want {
			t.Errorf("%s got %q, %v", test.program, got, err)
		}
	}
}

func TestATerminalThatCannotBeOpenedIsAnError(t *testing.T) {
	noLeaks(t)
	t.Setenv("DISPLAY", ":99")
	t.Setenv("PATH", t.TempDir())
	if err := desktop.OpenTerminal(t.Context(), "true"); err == nil || desktop.HasTerminal() {
		t.Errorf("without a terminal: %v", err)
	}
	t.Setenv("PATH", "/usr/bin:/bin")
	script(t, "xdg-terminal-exec", "exit 3")
	if err := desktop.OpenTerminal(t.Context(), "true"); err == nil || !strings.Contains(err.Error(), "xdg-terminal-exec") {
		t.Errorf("one that fails: %v", err)
	}
	t.Setenv("DISPLAY", "")
	t.Setenv("WAYLAND_DISPLAY", "")
	if err := desktop.OpenTerminal(t.Context(), "true"); err == nil || desktop.HasTerminal() {
		t.Errorf("without a desktop: %v", err)
	}
}
