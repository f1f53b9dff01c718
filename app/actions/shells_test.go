package actions

import (
	"slices"
	"strings"
	"testing"

	"fairlead/app/menu"
)

func TestSnippetsAreThoseOfThisSystemWithTheUsersShellFirst(t *testing.T) {
	for _, test := range []struct {
		goos, shell, installed string
		own                    menu.Choice
		first                  string
		without                string
	}{
		{"linux", "/bin/bash", "", menu.Choice{ID: "bash", Title: "bash"}, "bash", "fish powershell cmd wsl"},
		{"linux", "/usr/bin/zsh", "fish", menu.Choice{ID: "bash", Title: "zsh"}, "bash", "powershell cmd wsl"},
		{"darwin", "/opt/homebrew/bin/fish", "", menu.Choice{ID: "fish", Title: "fish"}, "fish", "powershell cmd wsl"},
		{"linux", "/usr/bin/pwsh", "pwsh", menu.Choice{ID: "powershell", Title: "PowerShell"}, "powershell", "cmd wsl"},
		{"linux", "", "", menu.Choice{}, "bash", "fish powershell cmd wsl"},
		{"linux", "/usr/bin/git", "", menu.Choice{}, "bash", "fish powershell cmd wsl"},
		{"windows", "", "", menu.Choice{ID: "powershell", Title: "PowerShell"}, "powershell", "fish"},
	} {
		own, all := snippetsFor(test.goos, test.shell, func(program string) bool { return strings.Contains(test.installed, program) })
		var ids []string
		for _, choice := range all {
			ids = append(ids, choice.ID)
		}
		if own != test.own || ids[0] != test.first || !slices.Contains(ids, "bash") || !slices.Contains(ids, "java") {
			t.Errorf("%s, %s: own is %v, first of %q", test.goos, test.shell, own, ids)
		}
		for _, id := range strings.Fields(test.without) {
			if slices.Contains(ids, id) {
				t.Errorf("%s, %s: %s is offered", test.goos, test.shell, id)
			}
		}
	}
}
