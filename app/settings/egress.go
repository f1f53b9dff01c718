package settings

import (
	"fmt"
	"maps"
	"net/url"
)

// EgressName is the name of the upstream that a context has while there is a forward proxy of Fairlead's in its cluster.
const EgressName = "fairlead-egress"

// An Egress is a forward proxy in a context's cluster that Fairlead has deployed, or found there and uses. The zero Egress
// means that there is none.
type Egress struct {
	Namespace string `json:"namespace"`
	URL       string `json:"url"` // by which it is reached through the context

	// The UIDs of the objects that were made for it. They are empty for those that were there already.
	Service    string `json:"service,omitempty"`
	Deployment string `json:"deployment,omitempty"`
}

// egressState is an Egress, and the route that was chosen before it became the context's; Before is meaningless while Used
// is false.
type egressState struct {
	Egress
	Used   bool   `json:"used,omitempty"`
	Before choice `json:"before,omitzero"`
}

// upstream returns the egress as an upstream.
func (e Egress) upstream() Upstream {
	u := Upstream{Name: EgressName, InCluster: true}
	via, err := url.Parse(e.URL)
	if err != nil || via.Host == "" {
		u.Problem = fmt.Sprintf("the state file has no address of %s", EgressName) // users may edit it
		return u
	}
	u.URL = via
	return u
}

// withEgress returns the upstreams of a context in whose cluster there may be an egress.
func withEgress(upstreams map[string]Upstream, e Egress) map[string]Upstream {
	if e == (Egress{}) {
		return upstreams
	}
	all := maps.Clone(upstreams)
	if all == nil {
		all = map[string]Upstream{}
	}
	all[EgressName] = e.upstream()
	return all
}

// KeepEgress saves what is deployed, or used, as the egress of a context. It does not change the context's routes.
func (s *Settings) KeepEgress(name string, e Egress) error {
	return s.store.change(name, func(c *contextState) { c.Egress.Egress = e })
}

// UseEgress makes the egress of a context its route for hosts outside.
func (s *Settings) UseEgress(name string) error {
	written := string(s.Config().written(name).Outside)
	return s.store.change(name, func(c *contextState) {
		if !c.Egress.Used {
			c.Egress.Used, c.Egress.Before = true, c.Outside
		}
		c.Outside = choose(EgressName, written)
	})
}

// LeaveEgress makes the route for hosts outside the one that it was before UseEgress, unless another one was chosen
// meanwhile.
func (s *Settings) LeaveEgress(name string) error {
	return s.store.change(name, func(c *contextState) {
		if c.Egress.Used && c.Outside.Value == EgressName {
			c.Outside = c.Egress.Before
		}
		c.Egress.Used, c.Egress.Before = false, choice{}
	})
}

// ForgetEgress removes what KeepEgress saved.
func (s *Settings) ForgetEgress(name string) error {
	return s.store.change(name, func(c *contextState) { c.Egress = egressState{} })
}

// ReadState reads the state again, which another program of the user may have changed.
func (s *Settings) ReadState() error {
	return s.store.update(func(*state) error { return nil })
}
