package control

import (
	"time"

	"fairlead/app/session"
)

// Context is one context, with what its proxy has carried since it was switched on. Its fields mean what those of
// session.State mean. They are repeated here because programs of other versions read them: names and values may be
// added, but must not change.
type Context struct {
	Name      string          `json:"name"`
	Phase     session.Phase   `json:"phase"`
	Sign      session.Sign    `json:"sign,omitempty"` // follows from the rest; empty from a program that has no signs
	Wanted    bool            `json:"wanted"`
	Usable    bool            `json:"usable"`
	Title     string          `json:"title,omitempty"`
	Reason    string          `json:"reason,omitempty"`
	Hint      string          `json:"hint,omitempty"`
	Trouble   session.Trouble `json:"trouble,omitempty"`
	Login     string          `json:"login,omitempty"`
	Address   string          `json:"address,omitempty"`   // of its proxy
	Endpoints []Endpoint      `json:"endpoints,omitempty"` // including its proxy's; nil from a program that knows only Address
	Unknown   bool            `json:"unknown,omitempty"`
	Warning   string          `json:"warning,omitempty"`

	Cluster    string `json:"cluster,omitempty"`
	User       string `json:"user,omitempty"` // the kubeconfig's name for it
	Namespace  string `json:"namespace,omitempty"`
	File       string `json:"file,omitempty"`
	Outside    string `json:"outside,omitempty"`
	Current    bool   `json:"current,omitempty"` // in the kubeconfig
	Production bool   `json:"production,omitempty"`
	Password   bool   `json:"password,omitempty"`
	TLS        bool   `json:"tls,omitempty"`
	AnyUser    bool   `json:"anyUser,omitempty"`

	Reached   bool      `json:"reached,omitempty"`
	Requested time.Time `json:"requested,omitzero"`

	Since time.Time `json:"since,omitzero"`
	OffAt time.Time `json:"offAt,omitzero"`
	Used  time.Time `json:"used,omitzero"`

	Traffic *Traffic `json:"traffic,omitempty"` // nil while it is off
}

// Endpoint is one address that a context listens on, or will.
type Endpoint struct {
	Address  string               `json:"address"` // host:port
	Kind     session.EndpointKind `json:"kind"`
	Target   string               `json:"target,omitempty"`   // of a forward
	Protocol string               `json:"protocol,omitempty"` // of a forward, or the only one of a proxy
	Chosen   bool                 `json:"chosen,omitempty"`   // a forward that is not in the settings file
	Problem  string               `json:"problem,omitempty"`  // why it does not listen
}

// newContext returns a context of the model in the form that clients read.
func newContext(s session.State) Context {
	c := Context{
		Name: s.Name, Phase: s.Phase, Sign: s.Sign(), Wanted: s.Wanted, Usable: s.Usable,
		Title: s.Title, Reason: s.Reason, Hint: s.Hint, Trouble: s.Trouble, Login: s.Login,
		Address: s.Endpoints.ProxyAddress(), Unknown: s.Unknown, Warning: s.Warning,
		Cluster: s.Cluster, User: s.User, Namespace: s.Namespace, File: s.File, Outside: s.Outside,
		Current: s.Current, Production: s.Production, Password: s.Password, TLS: s.TLS, AnyUser: s.AnyUser,
		Reached: s.Reached, Requested: s.Requested,
		Since: s.Since, OffAt: s.OffAt, Used: s.Used,
	}
	for _, e := range s.Endpoints {
		c.Endpoints = append(c.Endpoints, Endpoint(e))
	}
	return c
}

// State returns a context in the form that the views of the model read.
func (c Context) State() session.State {
	s := session.State{
		Name: c.Name, Phase: c.Phase, Wanted: c.Wanted, Usable: c.Usable,
		Title: c.Title, Reason: c.Reason, Hint: c.Hint, Trouble: c.Trouble, Login: c.Login,
		Unknown: c.Unknown, Warning: c.Warning,
		Cluster: c.Cluster, User: c.User, Namespace: c.Namespace, File: c.File, Outside: c.Outside,
		Current: c.Current, Production: c.Production, Password: c.Password, TLS: c.TLS, AnyUser: c.AnyUser,
		Reached: c.Reached, Requested: c.Requested,
		Since: c.Since, OffAt: c.OffAt, Used: c.Used,
	}
	for _, e := range c.Endpoints {
		s.Endpoints = append(s.Endpoints, session.Endpoint(e))
	}
	if c.Endpoints == nil && c.Address != "" {
		s.Endpoints = session.ProxyAt(c.Address)
	}
	return s
}
