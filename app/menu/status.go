package menu

import (
	"fmt"
	"slices"
	"strings"

	"fairlead/app/session"
)

// maxTooltip is in runes. Windows has room for 127 UTF-16 units.
const maxTooltip = 120

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

// Tooltip returns the state in words: Summary, and the contexts that are not off, with their open connections.
func Tooltip(s session.Snapshot, x Extras) string {
	if !slices.ContainsFunc(s.Contexts, stoppable) {
		return Summary(s)
	}
	v := viewOf(s, x)
	var rows []string
	for _, c := range s.Contexts {
		if c.Phase == session.Off {
			continue
		}
		row := strings.Join(strings.Fields(rowTitle(c, v)), " ")
		switch open := x.Contexts[c.Name].Connections; {
		case open == 1:
			row += ", 1 connection"
		case open > 1:
			row += fmt.Sprintf(", %d connections", open)
		}
		rows = append(rows, row)
	}
	return shortEnd(Summary(s)+" ("+strings.Join(rows, "; ")+")", maxTooltip)
}
