package settings

import (
	"encoding/json"
	"strings"
)

// A stateV1 is the content of a file of version 1, in which a context had one port, and its lists were words in a text.
type stateV1 struct {
	state
	Contexts map[string]contextStateV1 `json:"contexts"`
}

type contextStateV1 struct {
	contextState
	Port       int    `json:"port"`
	Moved      int    `json:"moved"`
	Ranges     string `json:"ranges"`
	Namespaces string `json:"namespaces"`
}

// parseV1 returns the state in a file of version 1, as a file of the current version would have it.
func parseV1(text []byte) (state, error) {
	var old stateV1
	if err := json.Unmarshal(text, &old); err != nil {
		return state{}, err
	}
	now := old.state
	now.Version, now.Contexts = version, make(map[string]contextState, len(old.Contexts))
	for name, was := range old.Contexts {
		c := was.contextState
		c.Ports, c.Ranges, c.Namespaces = nil, strings.Fields(was.Ranges), strings.Fields(was.Namespaces)
		if port := (assignedPort{was.Port, was.Moved}); port != (assignedPort{}) {
			c.Ports = []assignedPort{port}
		}
		now.Contexts[name] = c
	}
	return now, nil
}
