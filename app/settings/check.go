package settings

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// A checker finds what is wrong with values of a file that are valid on their own.
type checker struct {
	config   *Config
	file     string
	named    []via    // where an upstream is named
	problems Problems // that make the file unusable
	flaws    Problems // that leave the rest of the file in force
}

// check finds everything that is wrong.
func (k *checker) check() {
	k.ports()
	k.listen()
	k.endpoints()
	k.upstreams()
	k.vias()
}

// ports finds ports that are assigned twice.
func (k *checker) ports() {
	given := map[int]block{}
	for _, b := range k.config.contexts {
		if b.options.Port == nil {
			continue
		}
		if other, twice := given[*b.options.Port]; twice {
			k.problems = append(k.problems, Problem{k.file, b.options.portLine, fmt.Sprintf(
				"port %d of %s is the one of %s already (line %d)",
				*b.options.Port, quotable(b.pattern), quotable(other.pattern), other.options.portLine)})
		}
		given[*b.options.Port] = b
	}
}

// listen finds blocks that open a proxy to the network without authentication. Context.Problem covers combinations
// of blocks.
func (k *checker) listen() {
	check := func(where string, o Options) {
		if o.Listen != nil && !o.Listen.IsLoopback() && !guarded(k.config.defaults.merge(o)) {
			k.problems = append(k.problems, Problem{k.file, o.listenLine, fmt.Sprintf(
				"%s would let in anybody who can reach %s: give it a password, or tls, which wants client certificates", where, o.Listen)})
		}
	}
	check("defaults", k.config.defaults)
	for _, b := range k.config.contexts {
		check(quotable(b.pattern), b.options)
	}
}

// endpoints leaves out endpoints whose address another one has, of one context or of two, and proxies that are open
// to the network without authentication. What is assigned in the state is not known here.
func (k *checker) endpoints() {
	type owned struct {
		writtenEndpoint
		context string
	}
	var all []owned
	for _, b := range k.config.contexts {
		if o := k.config.defaults.merge(b.options); b.options.Port != nil {
			at := netip.AddrPortFrom(o.listenAddress(), uint16(*b.options.Port))
			all = append(all, owned{writtenEndpoint{Endpoint{Address: at}, b.options.portLine}, b.pattern})
		}
	}
	for _, b := range k.config.contexts {
		o := k.config.defaults.merge(b.options)
		wrong := func(e writtenEndpoint) bool {
			e.Address = at(e, o.listenAddress())
			text := ""
			if i := slices.IndexFunc(all, func(other owned) bool { return other.Overlaps(e.Endpoint) }); i >= 0 {
				text = fmt.Sprintf("%s of %s is an address of %s already (line %d)", e.Address, quotable(b.pattern), quotable(all[i].context), all[i].line)
				if all[i].context == b.pattern {
					text = fmt.Sprintf("%s is an address of %s already (line %d)", e.Address, quotable(b.pattern), all[i].line)
				}
			} else if e.exposed() && !guarded(o) {
				text = fmt.Sprintf("%s would let in anybody who can reach %s: give it a password, or tls, which wants client certificates", quotable(b.pattern), e.Address.Addr())
			}
			if text != "" {
				k.flaws = append(k.flaws, Problem{k.file, e.line, text})
				return true
			}
			all = append(all, owned{e, b.pattern})
			return false
		}
		for _, list := range []*[]writtenEndpoint{b.options.Proxies, b.options.Forwards, b.options.Nameserver} {
			if list != nil {
				*list = slices.DeleteFunc(*list, wrong)
			}
		}
	}
}

// upstreams finds upstreams that lead through an unknown one or through themselves, or that are a context's own port.
func (k *checker) upstreams() {
	names := slices.SortedFunc(maps.Keys(k.config.upstreams), func(a, b string) int {
		return cmp.Or(cmp.Compare(k.config.upstreams[a].line, k.config.upstreams[b].line), cmp.Compare(a, b))
	})
	wrong := func(u Upstream, line int, format string, args ...any) {
		problem := Problem{k.file, line, fmt.Sprintf(format, args...)}
		k.flaws = append(k.flaws, problem)
		if u.Problem == "" {
			u.Problem = fmt.Sprintf("line %d of the settings: %s", line, problem.Text)
		}
		k.config.upstreams[u.Name] = u
	}
	for _, name := range names {
		u := k.config.upstreams[name]
		if u.Via == "" {
			continue
		}
		if _, known := k.config.upstreams[u.Via]; !known {
			wrong(u, u.viaLine, "%s", unknownUpstream(u.Via, names))
			continue
		}
		if circle := k.config.circle(name); circle != "" {
			wrong(u, u.viaLine, "upstream %s leads into itself: %s", name, circle)
		}
	}
	for _, name := range names {
		u := k.config.upstreams[name]
		for _, b := range k.config.contexts {
			if !isGlob(b.pattern) && slices.ContainsFunc(k.config.context(b.pattern, contextState{}).Endpoints, func(e Endpoint) bool { return u.isAt(e.Address) }) {
				wrong(u, u.urlLine, "upstream %s is the port of context %s: connections would lead back here", name, quotable(b.pattern))
				break
			}
		}
	}
}

// vias finds names of upstreams that do not exist. A route that has one refuses what it is for.
func (k *checker) vias() {
	known := slices.Sorted(maps.Keys(k.config.upstreams))
	for _, v := range k.named {
		if !slices.Contains(known, v.name) && v.name != EgressName {
			text := unknownUpstream(v.name, append([]string{string(Direct), string(Refuse)}, known...))
			k.flaws = append(k.flaws, Problem{k.file, v.node.Line, text})
		}
	}
}
