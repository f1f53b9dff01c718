package actions

import (
	"context"
	"slices"
	"sync"
	"time"

	"fairlead/app/explain"
	"fairlead/app/menu"
	"fairlead/kube"
)

const (
	catalogueExpiry  = 5 * time.Minute  // how long a page is shown
	catalogueTimeout = 20 * time.Second // bounds the queries of one page
)

// A catalogue holds the namespaces and Services of the clusters that the user asked to see. It sends queries only in
// load.
type catalogue struct {
	changed func() // called when the menu must be drawn again; must not block

	mutex   sync.Mutex
	pages   map[string]*cataloguePage // by context
	loading sync.WaitGroup
}

// catalogued is what a catalogue asks of a cluster. *kube.Cluster implements it.
type catalogued interface {
	Namespaces(context.Context) ([]string, error)
	Services(ctx context.Context, namespace string) ([]kube.Service, error)
}

type cataloguePage struct {
	loading    bool
	loaded     time.Time
	failed     string
	namespaces []string
	services   []menu.Service
	taken      []uint16 // ports of this machine that a forward was refused for since it was loaded
}

// load queries the API server in a goroutine. c.loading must be waited for before the program ends. Until then the page
// stays as it was.
func (c *catalogue) load(ctx context.Context, name string, cluster catalogued) {
	page := &cataloguePage{loading: true}
	c.mutex.Lock()
	if before := c.pages[name]; before != nil {
		if before.loading {
			c.mutex.Unlock()
			return
		}
		page.namespaces, page.services = before.namespaces, before.services
	}
	if c.pages == nil {
		c.pages = map[string]*cataloguePage{}
	}
	c.pages[name] = page
	c.mutex.Unlock()
	c.changed()
	c.loading.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, catalogueTimeout)
		defer cancel()
		loaded := query(ctx, cluster)
		c.mutex.Lock()
		if c.pages[name] == page {
			c.pages[name] = loaded
		}
		c.mutex.Unlock()
		c.changed()
	})
}

// query returns the namespaces and Services of a cluster. If namespaces may not be listed, it returns those that are
// known.
func query(ctx context.Context, cluster catalogued) *cataloguePage {
	page := &cataloguePage{loaded: time.Now()}
	namespaces, err := cluster.Namespaces(ctx)
	if err == nil {
		page.namespaces = namespaces
		var services []kube.Service
		services, err = cluster.Services(ctx, "")
		page.services = menuServices(services)
	}
	if err != nil {
		page.failed = explain.Short(err)
	}
	return page
}

func menuServices(services []kube.Service) []menu.Service {
	list := []menu.Service{}
	for _, s := range services {
		item := menu.Service{Namespace: s.Namespace, Name: s.Name}
		for _, p := range s.Ports {
			item.Ports = append(item.Ports, menu.Port{Number: uint16(p.Number), Name: p.Name})
		}
		list = append(list, item)
	}
	return list
}

// has reports whether it knows what is in a context's cluster, or will soon.
func (c *catalogue) has(name string) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	page := c.pages[name]
	return page != nil && (page.loading || page.failed == "" && time.Since(page.loaded) <= catalogueExpiry)
}

// addTaken adds a port of this machine that a forward of a context was refused for. It is forgotten when the page is
// loaded again.
func (c *catalogue) addTaken(name string, port uint16) {
	c.mutex.Lock()
	if page := c.pages[name]; page != nil {
		page.taken = append(slices.Clone(page.taken), port)
	}
	c.mutex.Unlock()
	c.changed()
}

// addTo adds what is known about a context's cluster to extra, unless it is too old.
func (c *catalogue) addTo(name string, extra *menu.Extra) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	page := c.pages[name]
	if page == nil {
		return
	}
	if !page.loading && time.Since(page.loaded) > catalogueExpiry {
		delete(c.pages, name)
		return
	}
	extra.Loading, extra.LoadFailed = page.loading, page.failed
	extra.Namespaces, extra.Services, extra.TakenPorts = page.namespaces, page.services, page.taken
}
