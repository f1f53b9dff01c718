package settings

import "gopkg.in/yaml.v3"

// nameserver parses where a context's nameserver listens: an address of this machine, or a port of 127.0.0.1. one reports
// whether it is for a single context. What is wrong with it leaves it out.
func (p *parser) nameserver(node *yaml.Node, one bool) *[]writtenEndpoint {
	if !p.ofOneContext(node, one) {
		return nil
	}
	list := []writtenEndpoint{}
	e := Endpoint{Protocol: DNS}
	wrong := p.contained(func() { e.Address = p.loopbackAddress(node, "it asks for no password") })
	if wrong == "" && e.Address.IsValid() {
		list = append(list, writtenEndpoint{e, node.Line})
		p.references = append(p.references, Reference{Line: node.Line, Listen: e.Address})
	}
	return &list
}
