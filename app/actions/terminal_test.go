//go:build linux

package actions

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/app/menu"
)

// In a terminal window, neither the name of a context nor a command is read by a shell.
func TestWhatRunsInATerminalIsRunWordByWord(t *testing.T) {
	dir := t.TempDir()
	fake := func(name, body string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	program := fake("fairlead", `printf '<%s>' "$@"; test "$1" != env || exit 0`+"\n")
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	t.Setenv("SHELL", fake("shell", "echo \"proxy=$PROXY\"\n"))
	fake("aws", `printf '[%s]' "$@"`+"\n")
	const hostile = "-a $(touch hurt) `touch hurt`; 'b' \"c\"\n"
	t.Chdir(dir)
	c := actionsWith(t, "")
	run := func(click menu.Click) string {
		t.Helper()
		command, err := c.terminalCommand(click)
		if err != nil {
			t.Fatal(err)
		}
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		for i, word := range command {
			if word == self {
				command[i] = program
			}
		}
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Stdin = strings.NewReader("\n")
		output, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v", output, err)
		}
		return string(output)
	}
	if got, want := run(menu.Click{Action: menu.Diagnose, Context: hostile}), "<doctor><--context="+hostile+">"; !strings.HasPrefix(got, want) || !strings.Contains(got, "Press Enter") {
		t.Errorf("diagnose: %q", got)
	}
	if got, want := run(menu.Click{Action: menu.RunLogin, Context: hostile, Argument: "aws sso login"}), "$ aws sso login\n[sso][login]<login><--context="+hostile+">"; !strings.HasPrefix(got, want) {
		t.Errorf("log in: %q", got)
	}
	program = fake("exports", `echo "export PROXY='$*'"`+"\n")
	if got := run(menu.Click{Action: menu.OpenTerminal, Context: "demo"}); got != "proxy=env --for bash --context=demo\n" {
		t.Errorf("the terminal: %q", got)
	}
	program = fake("fails", "echo it is off >&2; exit 1\n")
	if got := run(menu.Click{Action: menu.OpenTerminal, Context: "demo"}); !strings.Contains(got, "it is off") || !strings.Contains(got, "Press Enter") {
		t.Errorf("a terminal without a proxy: %q", got)
	}
	for _, login := range []string{"aws; touch hurt", "$(touch hurt)", "aws\ntouch hurt", "", "A=b aws", "-x"} {
		if command, err := c.terminalCommand(menu.Click{Action: menu.RunLogin, Argument: login}); err == nil {
			t.Errorf("%q is run as %q", login, command)
		}
	}
	if _, err := os.Stat("hurt"); err == nil {
		t.Error("a shell has read a name")
	}
}
