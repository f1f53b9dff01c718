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
	maxPage       = 20  // lines of a submenu of Services
	maxPorts      = 12  // of one Service
)

// The beginnings of the IDs of submenus that show what is in a cluster. The context's name follows.
const (
	servicesID   = "services/"
	namespacesID = "namespaces/"
)

// namespaces offers the namespaces in which names without one can be looked up.
func namespaces(c session.State, x view, extra Extra) Item {
	current := c.Namespace
	if current == "" {
		current = "default" // like kubectl
	}
	title := "Namespace: " + shortName(current)
	names := extra.Namespaces
	shown := names[:min(len(names), maxNamespaces)]
	if !slices.Contains(shown, current) {
		names = append([]string{current}, slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == current })...)
		shown = names[:min(len(names), maxNamespaces)]
	}
	titles := unlike(shown, func(name string) []string { return []string{shortName(name)} })
	var items []Item
	for i, name := range shown {
		items = append(items, radio(titles[i], name == current, Click{SetNamespace, c.Name, name}))
	}
	items = andMore(items, namespacesID+c.Name, len(names))
	if extra.Namespaces == nil {
		items = append(items, loading(c, x, extra, "namespaces")...)
	}
	return submenu(namespacesID+c.Name, title, items)
}

// loading returns the lines of a submenu whose content is not loaded yet, or could not be.
func loading(c session.State, x view, extra Extra, what string) []Item {
	refresh := button("Load", Click{Action: LoadServices, Context: c.Name})
	refresh.ID = "load/" + what + "/" + c.Name
	switch {
	case extra.LoadFailed != "" && !extra.Loading:
		refresh.Title = "Try again"
		return append(paragraph("load-failed/"+what+"/"+c.Name, extra.LoadFailed), refresh)
	case x.LoadsOnOpen || extra.Loading:
		return []Item{line("loading/"+what+"/"+c.Name, "Loading… Open this menu again in a moment.")}
	}
	return []Item{refresh}
}

// services lists Services, or pages of their ports by namespace if there are many. A nested list has no submenus.
func services(c session.State, x view, extra Extra, nested bool) Item {
	whole := servicesID + c.Name
	if extra.Services == nil {
		return submenu(whole, "Services", loading(c, x, extra, "services"))
	}
	shown := extra.Services[:min(len(extra.Services), maxServices)]
	left := len(extra.Services) - len(shown)
	all := each(shown, func(s Service) []Item { return ports(c, x, extra, s) })
	var items []Item
	switch flat := slices.Concat(all...); {
	case len(flat) == 0:
		items = []Item{line("no-services/"+c.Name, "None with a TCP port")}
	case nested:
		items, left = flat[:min(len(flat), maxGroup)], left+max(0, len(flat)-maxGroup)
	case len(shown) <= maxGroup:
		items = submenuOfEach(c, shown, all)
	default:
		items = pagesOfServices(c, shown, all)
	}
	items = andMore(items, whole, len(items)+left)
	refresh := button("Refresh", Click{Action: LoadServices, Context: c.Name})
	return submenu(whole, "Services", join(whole, items, []Item{refresh}))
}

// submenuOfEach returns a submenu for each Service, with its namespace if there are several. all are the lines of each.
func submenuOfEach(c session.State, services []Service, all [][]Item) []Item {
	one := !slices.ContainsFunc(services, func(s Service) bool { return s.Namespace != services[0].Namespace })
	titles := unlike(services, func(s Service) []string {
		long := shortMiddle(oneLine(s.Name+"."+s.Namespace), maxTitle)
		if one {
			return []string{shortName(s.Name), long}
		}
		return []string{long}
	})
	var items []Item
	for i, s := range services {
		if len(all[i]) > 0 {
			items = append(items, submenu("service/"+s.Name+"/"+s.Namespace+"/"+c.Name, titles[i], all[i]))
		}
	}
	return items
}

// pagesOfServices returns submenus of Services by namespace, of about maxPage lines each. all are the lines of each Service.
func pagesOfServices(c session.State, services []Service, all [][]Item) []Item {
	type page struct {
		first, last Service
		items       []Item
	}
	var pages []page
	for i, s := range services {
		last := len(pages) - 1
		if last < 0 || pages[last].last.Namespace != s.Namespace || len(pages[last].items)+len(all[i]) > maxPage {
			pages, last = append(pages, page{first: s}), last+1
		}
		pages[last].last, pages[last].items = s, append(pages[last].items, all[i]...)
	}
	titles := unlike(pages, func(p page) []string {
		span := shortMiddle(oneLine(p.first.Name), maxSpan) + " – " + shortMiddle(oneLine(p.last.Name), maxSpan)
		return []string{shortName(p.first.Namespace), shortName(p.first.Namespace) + ": " + span}
	})
	var items []Item
	for i, p := range pages {
		if len(p.items) > 0 {
			items = append(items, submenu(fmt.Sprintf("services-of/%s/%s/%s", p.first.Name, p.first.Namespace, c.Name), titles[i], p.items))
		}
	}
	return items
}

// ports returns the lines of a Service's ports: a web page is opened, and anything copied or forwarded.
func ports(c session.State, x view, extra Extra, s Service) []Item {
	var items []Item
	for _, p := range s.Ports[:min(len(s.Ports), maxPorts)] {
		text, web := address(s, p)
		suffix := ""
		if scheme, _, _ := strings.Cut(text, "://"); p.Name != "" && (!web || p.Name != scheme) {
			suffix = " (" + shortName(p.Name) + ")"
		}
		copying := button("Copy "+shortMiddle(clean(text), maxTitle)+suffix, Click{CopyService, c.Name, text})
		copying.ID = fmt.Sprintf("port/%d/%s/%s/%s/%s", p.Number, p.Name, s.Namespace, s.Name, c.Name)
		items = append(items, copying)
		if web && len(x.Browsers) > 0 {
			opening := button("Open "+shortMiddle(clean(text), maxTitle), Click{OpenService, c.Name, text})
			opening.ID = "open-" + copying.ID
			items = append(items, opening)
		}
		items = append(items, forwarding(c, extra, s, p, web))
	}
	return items
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
