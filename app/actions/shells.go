package actions

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"fairlead/app/menu"
	"fairlead/app/snippet"
)

// shells are the kinds of snippets that are for shells.
var shells = []string{"bash", "fish", "powershell", "cmd"}

// snippets returns the kinds of snippets that this system can use, and the one for the user's own shell, which is first.
func snippets() (own menu.Choice, all []menu.Choice) {
	return snippetsFor(runtime.GOOS, os.Getenv("SHELL"), func(program string) bool {
		_, err := exec.LookPath(program)
		return err == nil
	})
}

// snippetsFor is snippets on the system goos, for a user with a login shell, with some programs installed.
func snippetsFor(goos, shell string, installed func(program string) bool) (own menu.Choice, all []menu.Choice) {
	name := strings.TrimSuffix(filepath.Base(shell), ".exe")
	if goos == "windows" && shell == "" {
		name = "powershell"
	}
	for _, kind := range snippet.Kinds() {
		choice := menu.Choice{ID: kind.ID, Title: kind.Title}
		mine := slices.Contains(shells, kind.ID) && snippet.Is(kind.ID, name)
		if !mine && !usable(kind.ID, goos, installed) {
			continue
		}
		if mine {
			own = menu.Choice{ID: kind.ID, Title: name}
			if kind.ID == "powershell" {
				own.Title = kind.Title
			}
			all = slices.Insert(all, 0, choice)
			continue
		}
		all = append(all, choice)
	}
	return own, all
}

// usable reports whether a system has the shell of a kind of snippet. Other kinds are usable everywhere.
func usable(kind, goos string, installed func(program string) bool) bool {
	windows := goos == "windows"
	switch kind {
	case "fish":
		return !windows && installed("fish")
	case "powershell":
		return windows || installed("pwsh")
	case "cmd", "wsl":
		return windows
	}
	return true
}
