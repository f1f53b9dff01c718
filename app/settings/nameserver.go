package settings

import (
	"net/netip"

	"gopkg.in/yaml.v3"
)

// nameserver parses where a context's nameserver listens: an address of this machine, or a port of 127.0.0.1. one reports
// whether it is for a single context. What is wrong with it leaves it out.
func (p *parser) nameserver(node *yaml.Node, one bool) *[]writtenEndpoint {
	if !one {
		p.flaws = append(p.flaws, Problem{p.file, node.Line, "a port is one context's: it can stand below a full name only"})
		return nil
	}
	list := []writtenEndpoint{}
	e := Endpoint{Protocol: DNS}
	wrong := p.contained(func() {
		if e.Address = p.listenAddress(node); e.Address.Port() != 0 && !e.Address.Addr().IsValid() {
			e.Address = netip.AddrPortFrom(loopback, e.Address.Port())
		}
		if e.Address.Addr().IsValid() && e.exposed() {
			p.problem(node, "it asks for no password, so it listens on this machine only: write %s", netip.AddrPortFrom(loopback, e.Address.Port()))
		}
	})
	if wrong == "" && e.Address.IsValid() {
		list = append(list, writtenEndpoint{e, node.Line})
		p.references = append(p.references, Reference{Line: node.Line, Listen: e.Address})
	}
	return &list
}
