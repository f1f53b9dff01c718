package settings

import (
	"iter"
	"maps"
	"net/netip"
	"slices"
	"sync"
)

// overrides is what applies in place of the settings while this program runs, and is saved nowhere. Its methods may be
// called by any goroutine.
type overrides struct {
	mutex        sync.Mutex
	at           map[string][]netip.AddrPort // by context, the addresses of ListenAt
	namespaces   map[string]string           // by context, those of UseNamespace
	only         map[string][]Endpoint       // by context, those of ForwardOnly
	there        map[string]bool             // the contexts that exist, or did since the program started
	konnectivity map[string]Konnectivity     // by context, those of UseKonnectivity
}

// SetContexts sets which contexts exist. A port that the user's file assigns to one of them is not assigned to another; the
// port of a context that does not exist is only kept free. A context that disappears keeps its port while this program
// runs, because tools delete an entry to write it again.
func (o *overrides) SetContexts(names iter.Seq[string]) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	there := map[string]bool{} // other goroutines may be reading the old map
	maps.Copy(there, o.there)
	for name := range names {
		there[name] = true
	}
	o.there = there
}

// ListenAt makes a context listen at addresses instead of those in its settings, while this program runs. Port 0 stands
// for any free port. Who may connect is decided as if the file had these addresses.
func (o *overrides) ListenAt(name string, addresses ...netip.AddrPort) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	var unmapped []netip.AddrPort
	for _, at := range addresses {
		unmapped = append(unmapped, netip.AddrPortFrom(at.Addr().Unmap(), at.Port()))
	}
	o.at = with(o.at, name, unmapped)
}

// with returns a copy of a map with another value, because other goroutines may be reading the map.
func with[V any](m map[string]V, name string, value V) map[string]V {
	changed := map[string]V{}
	maps.Copy(changed, m)
	changed[name] = value
	return changed
}

// UseNamespace sets the namespace of a context's names without one, in place of that in its settings, until SetNamespace
// sets another one or this program ends.
func (o *overrides) UseNamespace(name, namespace string) error {
	if err := checkNamespace(namespace); err != nil {
		return err
	}
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if o.namespaces == nil {
		o.namespaces = map[string]string{}
	}
	o.namespaces[name] = namespace
	return nil
}

// ForwardOnly makes a context serve these forwards and nothing else, while this program runs. Without any, it listens
// nowhere.
func (o *overrides) ForwardOnly(name string, forwards ...Endpoint) error {
	for _, e := range forwards {
		if err := e.Check(); err != nil {
			return err
		}
	}
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.only = with(o.only, name, forwards)
	return nil
}

// UseKonnectivity makes a Konnectivity server carry a context's connections, whatever its settings say, while this program
// runs.
func (o *overrides) UseKonnectivity(name string, k Konnectivity) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.konnectivity = with(o.konnectivity, name, k)
}

// override returns the settings of all contexts with the overrides that concern more than one of them.
func (o *overrides) override(c Config) Config {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	c.at, c.there, c.konnectivity = o.at, o.there, o.konnectivity
	return c
}

// overrideContext returns the settings of a context with its overrides, and whether it serves nothing but forwards.
func (o *overrides) overrideContext(c Context) (changed Context, forwardsOnly bool) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if namespace := o.namespaces[c.Name]; namespace != "" {
		c.Namespace = namespace
	}
	if only, ok := o.only[c.Name]; ok {
		c.NoProxy, c.Endpoints = true, append(slices.Clone(c.Endpoints[:1]), only...)
		return c, true
	}
	return c, false
}

// dropNamespace ends UseNamespace for a context.
func (o *overrides) dropNamespace(name string) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	delete(o.namespaces, name)
}
