package settings

import "slices"

// A contextState is what state.json records about one context. Its lists are shared and must not be modified, but replaced.
type contextState struct {
	Ports    []assignedPort `json:"ports,omitempty"` // of the context's endpoints; the first is its proxy's
	On       bool           `json:"on"`
	Used     int64          `json:"used,omitempty"`     // when it was last switched on, in seconds since 1970
	Password string         `json:"password,omitempty"` // generated for its clients

	Forwards []chosenForward `json:"forwards,omitempty"` // made by commands and in the menu

	Egress egressState `json:"egress,omitzero"` // deployed by a command or in the menu

	// Last known about its cluster.
	Ranges     []string `json:"ranges,omitempty"`
	Namespaces []string `json:"namespaces,omitempty"`

	// Chosen in the menu.
	Namespace     choice `json:"namespace,omitzero"`
	Outside       choice `json:"outside,omitzero"`
	Production    choice `json:"production,omitzero"`
	WantsPassword choice `json:"wantsPassword,omitzero"`
}

// An assignedPort is the port of one endpoint.
type assignedPort struct {
	Port  int `json:"port,omitempty"`
	Moved int `json:"moved,omitempty"` // its port while the user's file assigns Port to another context
}

// proxyPort returns the port of the context's proxy. It is zero if none is assigned yet.
func (a contextState) proxyPort() assignedPort {
	if len(a.Ports) == 0 {
		return assignedPort{}
	}
	return a.Ports[0]
}

// setProxyPort replaces the port of the context's proxy.
func (a *contextState) setProxyPort(p assignedPort) {
	a.Ports = append([]assignedPort{p}, a.Ports[min(1, len(a.Ports)):]...)
}

// equal reports whether a and b are the same in every field.
func (a contextState) equal(b contextState) bool {
	return slices.Equal(a.Ports, b.Ports) && slices.Equal(a.Forwards, b.Forwards) && a.On == b.On && a.Used == b.Used && a.Password == b.Password &&
		a.Egress == b.Egress && slices.Equal(a.Ranges, b.Ranges) && slices.Equal(a.Namespaces, b.Namespaces) &&
		a.Namespace == b.Namespace && a.Outside == b.Outside && a.Production == b.Production && a.WantsPassword == b.WantsPassword
}
