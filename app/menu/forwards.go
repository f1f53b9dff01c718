package menu

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"fairlead/app/session"
)

// localPorts lists the fixed local ports of a context. One that was made here or by a command can be removed; the settings'
// own are changed there.
func localPorts(c session.State) []Item {
	forwards := c.Endpoints.Forwards()
	if len(forwards) == 0 {
		return nil
	}
	shown := forwards[:min(len(forwards), maxGroup)]
	items := each(shown, func(e session.Endpoint) Item {
		title := localName(e.Address) + " → " + shortMiddle(clean(e.Target), maxTitle)
		if e.Problem != "" {
			title += "  (not open)"
		}
		return forwardItem(c, title, "local/"+e.Address, e)
	})
	where := "forwards/" + c.Name
	return []Item{submenu(where, "Local ports", andMore(items, where, len(forwards)))}
}

// forwardItem returns an item with a check mark for a fixed local port that there is.
func forwardItem(c session.State, title, name string, e session.Endpoint) Item {
	item := toggle(title, e.Problem == "", Click{RemoveForward, c.Name, e.Address}, name)
	item.ID = name + "/" + c.Name // whatever a click does now
	if !e.Chosen {
		item.Click, item.Disabled = Click{}, true
	}
	return item
}

// localName returns an address as users give it to a program of this machine.
func localName(address string) string {
	if port, ok := strings.CutPrefix(address, "127.0.0.1:"); ok {
		return "localhost:" + port
	}
	return address
}

// forwarding offers the fixed local port for a port of a Service: the one that there is, or else one whose number is free.
func forwarding(c session.State, extra Extra, s Service, p Port, web bool) Item {
	host := s.Name + "." + s.Namespace
	short := shortMiddle(clean(net.JoinHostPort(host+".svc", strconv.Itoa(int(p.Number)))), maxTitle)
	name := fmt.Sprintf("forward/%d/%s/%s/%s", p.Number, p.Name, s.Namespace, s.Name)
	for _, e := range c.Endpoints.Forwards() {
		if leadsTo(e.Target, host, p) {
			return forwardItem(c, "Forward "+localName(e.Address)+" → "+short, name, e)
		}
	}
	local, protocol := localNumber(c, extra, p.Number), "tcp"
	if web {
		protocol = "http"
	}
	argument := fmt.Sprintf("127.0.0.1:%d %s %s", local, net.JoinHostPort(host+".svc", strconv.Itoa(int(p.Number))), protocol)
	item := toggle(fmt.Sprintf("Forward localhost:%d → %s", local, short), false, Click{AddForward, c.Name, argument}, name)
	item.ID = name + "/" + c.Name
	return item
}

// localNumber returns the number of a local port for a port of a Service: the same one (with 8000 added where that needs
// special rights) or, if that is known to be taken, the next one that is not.
func localNumber(c session.State, extra Extra, number uint16) uint16 {
	if number < 1024 {
		number += 8000
	}
	taken := func(port uint16) bool {
		return slices.Contains(extra.TakenPorts, port) || slices.ContainsFunc(c.Endpoints, func(e session.Endpoint) bool {
			return session.DialAddress(e.Address) == fmt.Sprintf("127.0.0.1:%d", port)
		})
	}
	for next := number; next != 0; next++ {
		if !taken(next) {
			return next
		}
	}
	return number
}

// leadsTo reports whether a target is the port of a Service, whose name and namespace host has.
func leadsTo(target, host string, p Port) bool {
	name, port, err := net.SplitHostPort(target)
	names := []string{host, host + ".svc", host + ".svc.cluster.local"}
	return err == nil && slices.Contains(names, name) && (port == strconv.Itoa(int(p.Number)) || p.Name != "" && port == p.Name)
}
