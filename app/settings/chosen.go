package settings

import (
	"fmt"
	"net/netip"
	"slices"
)

// A chosenForward is a fixed local port that was made by a command or in the menu.
type chosenForward struct {
	Listen   string `json:"listen"`
	To       string `json:"to"`
	Protocol string `json:"protocol"`
}

// endpoint returns the forward as an endpoint, and whether it is one: users may edit the state.
func (f chosenForward) endpoint() (Endpoint, bool) {
	at, err := ParseListen(f.Listen)
	e := Endpoint{Address: at, To: f.To, Protocol: Protocol(f.Protocol), Chosen: true}
	return e, err == nil && e.Check() == nil
}

// AddForward saves a forward of a context. Another one that was saved at its address is replaced, and one in the user's file
// is an error.
func (s *Settings) AddForward(name string, e Endpoint) error {
	if err := e.Check(); err != nil {
		return err
	}
	if slices.ContainsFunc(s.Config().written(name).Endpoints, e.Overlaps) {
		return fmt.Errorf("%s is an address of context %s already, in %s", e.Address, name, s.File())
	}
	return s.store.change(name, func(c *contextState) {
		c.Forwards = append(without(c.Forwards, e.Address), chosenForward{e.Address.String(), e.To, string(e.Protocol)})
	})
}

// RemoveForward removes a forward that AddForward has saved, and reports whether there was one.
func (s *Settings) RemoveForward(name string, at netip.AddrPort) (removed bool, err error) {
	err = s.store.change(name, func(c *contextState) {
		left := without(c.Forwards, at)
		removed = len(left) < len(c.Forwards)
		c.Forwards = left
	})
	return removed, err
}

func without(list []chosenForward, at netip.AddrPort) []chosenForward {
	return slices.DeleteFunc(slices.Clone(list), func(f chosenForward) bool { return f.Listen == at.String() })
}
