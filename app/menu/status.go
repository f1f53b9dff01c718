package menu

import (
	"fmt"

	"fairlead/app/session"
)

// Summary returns a few words about how many contexts are on.
func Summary(s session.Snapshot) string {
	if s.Version == 0 {
		return "Fairlead: reading the kubeconfig…"
	}
	if len(s.Contexts) == 0 {
		return "Fairlead: no contexts"
	}
	on := 0
	for _, c := range s.Contexts {
		if c.Phase.Listening() {
			on++
		}
	}
	return fmt.Sprintf("Fairlead: %d of %d on", on, len(s.Contexts))
}
