package menu

import (
	"fmt"

	"fairlead/app/session"
)

// Summary returns a few words about how many contexts are on, and how many need the user.
func Summary(s session.Snapshot) string {
	if s.Version == 0 {
		return "Fairlead: reading the kubeconfig…"
	}
	if len(s.Contexts) == 0 {
		return "Fairlead: no contexts"
	}
	on, needy, failed, busy := 0, 0, 0, ""
	for _, c := range s.Contexts {
		if c.Phase.Listening() {
			on++
		}
		switch c.Sign() {
		case session.SignAttention:
			if stoppable(c) { // the others are listed as not usable
				needy++
			}
		case session.SignFailed:
			failed++
		case session.SignWorking:
			busy = stateWords(c)
		}
	}
	switch {
	case on+needy+failed == 0 && busy != "":
		return "Fairlead: " + busy
	case on+needy+failed == 0:
		return "Fairlead: off"
	}
	words := fmt.Sprintf("%d on", on)
	if needy > 0 {
		words += fmt.Sprintf(", %d %s", needy, session.SignAttention.WordFor(needy))
	}
	if failed > 0 {
		words += fmt.Sprintf(", %d %s", failed, session.SignFailed.WordFor(failed))
	}
	return words
}
