package menu

import (
	"slices"
	"strings"

	"fairlead/app/session"
)

// An Action is what a click on an item asks for.
type Action string

// The actions. Those up to Stop are about one context.
const (
	Toggle     Action = "toggle"
	CopySOCKS5 Action = "copy-socks5"
	CopyHTTP   Action = "copy-http"
	OpenLog    Action = "open-log"
	Stop       Action = "stop"
	StopAll    Action = "stop-all"
	Quit       Action = "quit"
)

// Parse tells what a click on the item with this ID asks for, and of which context. ok is false for an item that only says something.
func Parse(id string) (action Action, context string, ok bool) {
	word, context, about := strings.Cut(id, "/")
	switch action = Action(word); action {
	case Toggle, CopySOCKS5, CopyHTTP, OpenLog, Stop:
		return action, context, about
	case StopAll, Quit:
		return action, "", !about
	}
	return "", "", false
}

func id(action Action, context string) string { return string(action) + "/" + context }

// Find returns the item with this ID as it stands in the menu, if it can be clicked there: some desktops deliver clicks to items that
// are disabled or hidden by now.
func Find(items []Item, id string) (Item, bool) {
	for _, item := range items {
		if item.Hidden || item.Disabled {
			continue
		}
		if item.ID == id && len(item.Items) == 0 {
			return item, true
		}
		if found, ok := Find(item.Items, id); ok {
			return found, true
		}
	}
	return Item{}, false
}

// SOCKS5URL is the address of a context's proxy for programs that speak SOCKS5 and leave names to the proxy; empty while it has none.
func SOCKS5URL(c session.State) string { return proxyURL("socks5h://", c) }

// HTTPURL is the address of a context's proxy for programs that speak HTTP to a proxy; empty while it has none.
func HTTPURL(c session.State) string { return proxyURL("http://", c) }

func proxyURL(scheme string, c session.State) string {
	if c.Address == "" {
		return ""
	}
	return scheme + c.Address
}

// Context returns the state of one context.
func Context(s session.Snapshot, name string) (session.State, bool) {
	at := slices.IndexFunc(s.Contexts, func(c session.State) bool { return c.Name == name })
	if at < 0 {
		return session.State{}, false
	}
	return s.Contexts[at], true
}
