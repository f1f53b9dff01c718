package menu

import (
	"fmt"
	"strings"

	"fairlead/app/session"
)

// noneOn is the summary of contexts that are all off. Fairlead itself runs.
const noneOn = "No context is on"

// Summary returns a few words about how many contexts have each sign, so that the numbers add up to the rows.
func Summary(s session.Snapshot) string {
	if s.Version == 0 {
		return "Fairlead: reading the kubeconfig…"
	}
	if len(s.Contexts) == 0 {
		return "Fairlead: no contexts"
	}
	on, needy, failed, busy := 0, 0, 0, ""
	for _, c := range s.Contexts {
		switch c.Sign() {
		case session.SignOn:
			on++
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
		return noneOn
	}
	var words []string
	for _, count := range []struct {
		number int
		sign   session.Sign
	}{{on, session.SignOn}, {needy, session.SignAttention}, {failed, session.SignFailed}} {
		if count.number > 0 {
			words = append(words, fmt.Sprintf("%d %s", count.number, count.sign.WordFor(count.number)))
		}
	}
	return strings.Join(words, ", ")
}
