package menu

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"fairlead/app/session"
)

// Bounds of what a menu shows of a cluster. People do not read more, and panels become slow.
const (
	maxNamespaces = 60
	maxServices   = 300 // in total
	maxPorts      = 12  // of one Service
)

// namespaces offers the namespaces in which names without one can be looked up.
func namespaces(c session.State, extra Extra) Item {
	current := c.Namespace
	if current == "" {
		current = "default" // like kubectl
	}
	title := "Namespace: " + shortName(current)
	names := extra.Namespaces
	if names == nil {
		return submenu("namespaces/"+c.Name, title, []Item{load(c, extra, "namespaces/", "Load namespaces")})
	}
	if !slices.Contains(names, current) {
		names = append([]string{current}, names...)
	}
	var items []Item
	for _, name := range names[:min(len(names), maxNamespaces)] {
		items = append(items, check(shortName(name), name == current, Click{SetNamespace, c.Name, name}))
	}
	return submenu("namespaces/"+c.Name, title, andMore(items, "namespaces/"+c.Name, len(names)))
}

// load returns the line that loads what is in the cluster, or shows the state of that. where makes its ID unique.
func load(c session.State, extra Extra, where, title string) Item {
	if extra.Loading {
		return line("loading/"+where+c.Name, "Loading…")
	}
	item := button(title, Click{Action: LoadServices, Context: c.Name})
	item.ID = where + item.ID
	return item
}

// services lists namespaces, Services and ports. With only one namespace it lists the Services.
func services(c session.State, x view, extra Extra) Item {
	whole := "services/" + c.Name
	if extra.Services == nil {
		items := []Item{load(c, extra, "services/", "Load Services")}
		if extra.LoadFailed != "" {
			items = append(items, line("load-failed/"+c.Name, shortEnd(clean(extra.LoadFailed), maxSentence)))
		}
		return submenu(whole, "Services", items)
	}
	var order []string
	by := map[string][]Item{}
	for _, s := range extra.Services[:min(len(extra.Services), maxServices)] {
		if _, known := by[s.Namespace]; !known {
			order = append(order, s.Namespace)
		}
		by[s.Namespace] = append(by[s.Namespace], service(c, x, s))
	}
	var items []Item
	switch len(order) {
	case 0:
		items = []Item{line("no-services/"+c.Name, "None with a TCP port")}
	case 1:
		items = by[order[0]]
	default:
		for _, namespace := range order {
			items = append(items, submenu("services-of/"+namespace+"/"+c.Name, shortName(namespace), by[namespace]))
		}
	}
	items = andMore(items, whole, len(items)+max(0, len(extra.Services)-maxServices))
	again := load(c, extra, "again/", "Load again")
	return submenu(whole, "Services", append(items, separator(whole), again))
}

func service(c session.State, x view, s Service) Item {
	var items []Item
	for _, p := range s.Ports[:min(len(s.Ports), maxPorts)] {
		text, web := address(s, p)
		suffix := ""
		if p.Name != "" {
			suffix = "  (" + shortName(p.Name) + ")"
		}
		items = append(items, button("Copy "+shortMiddle(clean(text), maxName)+suffix, Click{CopyService, c.Name, text}))
		if web && len(x.Browsers) > 0 {
			items = append(items, button("Open "+shortMiddle(clean(text), maxName), Click{OpenService, c.Name, text}))
		}
	}
	return submenu("service/"+s.Namespace+"/"+s.Name+"/"+c.Name, shortName(s.Name), items)
}

// ServiceAddress returns what to enter for a port of a Service: a URL, or host and port.
func ServiceAddress(s Service, p Port) string {
	text, _ := address(s, p)
	return text
}

// address returns what to enter for a port of a Service: a URL if it probably speaks HTTP, and otherwise host and port.
func address(s Service, p Port) (text string, web bool) {
	host := s.Name + "." + s.Namespace + ".svc"
	name := strings.ToLower(p.Name)
	switch {
	case p.Number == 443 || strings.HasPrefix(name, "https"):
		return url("https", host, p.Number, 443), true
	case slices.Contains([]uint16{80, 3000, 8000, 8080, 8081, 8888, 9090}, p.Number) && !strings.Contains(name, "grpc"),
		strings.HasPrefix(name, "http"), strings.HasPrefix(name, "web"):
		return url("http", host, p.Number, 80), true
	}
	return net.JoinHostPort(host, strconv.Itoa(int(p.Number))), false
}

func url(scheme, host string, port, usual uint16) string {
	if port != usual {
		host = net.JoinHostPort(host, strconv.Itoa(int(port)))
	}
	return scheme + "://" + host + "/"
}

// andMore adds a line with the number of items that were left out.
func andMore(items []Item, where string, all int) []Item {
	if more := all - len(items); more > 0 {
		return append(items, line("more/"+where, fmt.Sprintf("…and %d more", more)))
	}
	return items
}
