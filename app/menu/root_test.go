package menu

import (
	"strings"
	"testing"

	"fairlead/app/session"
)

func TestRunningAsRootIsInTheMenu(t *testing.T) {
	warning := "Fairlead runs as root, by sudo: it reads root's kubeconfig, and what it starts has root's rights. Start it as anna."
	for _, c := range []struct {
		extras Extras
		title  string
		says   bool
	}{
		{Extras{}, "Fairlead", false},
		{Extras{RootWarning: warning}, "Fairlead", true},
		{Extras{RootWarning: warning, Sudo: true}, "Fairlead runs as root", true},
	} {
		about, ok := Item{}, false
		for _, item := range Build(session.Snapshot{Version: 1}, c.extras) {
			if item.ID == "fairlead" {
				about, ok = item, true
			}
		}
		var said []string
		for _, item := range about.Items {
			if item.Click == (Click{}) && !item.Separator {
				said = append(said, item.Title)
			}
		}
		text := strings.Join(said, " ")
		if !ok || about.Title != c.title || c.says && text != warning || !c.says && text != "" || c.extras.Sudo != (about.Icon == "attention") {
			t.Errorf("%+v: %q with icon %q says %q", c.extras, about.Title, about.Icon, text)
		}
	}
}
