package menu

import (
	"slices"

	"fairlead/app/session"
)

// details returns the submenu of a context that is on or failed.
func details(c session.State, x view, nested bool) []Item {
	needed := needs(c, x)
	var use, change []Item
	extra := x.Contexts[c.Name]
	switch {
	case c.Phase == session.Unavailable: // what needs the cluster would only fail
		use, change = []Item{copyURL(c)}, options(c, x, extra, nested)
	case c.Phase.Listening():
		if c.TLS {
			x.Browsers, x.Shell, x.Terminal = nil, Choice{}, false // they would have no client certificate
		}
		use = slices.Concat([]Item{copyURL(c)}, shell(c, x), browsers(c, x), []Item{services(c, x, extra, nested)}, localPorts(c))
		change = slices.Concat(snippets(c, x, extra), outside(c, x, nested), options(c, x, extra, nested))
	}
	if c.Reason != "" {
		return join(c.Name, needed, ends(c), use, change) // stopping it is as close as the remedy
	}
	return join(c.Name, needed, use, change, ends(c))
}

// ends returns the items that restart a context, unless that is offered already, and stop it.
func ends(c session.State) []Item {
	stop := button("Stop", Click{Action: Stop, Context: c.Name})
	_, again := tryAgain(c)
	switch {
	case c.Phase.Listening() && (c.Reason == "" || !again):
		return []Item{button("Restart", Click{Action: Restart, Context: c.Name}), stop}
	case c.Phase == session.Failed:
		stop.Title = "Stop trying"
	case c.Phase == session.Stopping && !c.Wanted && !c.Usable:
		return []Item{line("stopping/"+c.Name, "Stopping…")}
	case c.Phase == session.Stopping && !c.Wanted:
		return []Item{button("Start again", Click{Action: Start, Context: c.Name})}
	}
	return []Item{stop}
}

func copyURL(c session.State) Item {
	return button("Copy "+c.URL(), Click{Action: CopyURLOf(c), Context: c.Name})
}

// shell offers the setup for the user's own shell, which is used most.
func shell(c session.State, x view) []Item {
	if x.Shell.ID == "" {
		return nil
	}
	item := button("Copy setup for "+x.Shell.Title, Click{CopySnippet, c.Name, x.Shell.ID})
	item.ID = "shell/" + c.Name
	return []Item{item}
}

func browsers(c session.State, x view) []Item {
	var items []Item
	if len(x.Browsers) > 0 {
		items = append(items, button("Open "+x.Browsers[0].Title+" in this cluster", Click{OpenBrowser, c.Name, x.Browsers[0].ID}))
	}
	if len(x.Browsers) > 1 {
		items = append(items, submenu("browsers/"+c.Name, "Open another browser", each(x.Browsers[1:], func(b Choice) Item {
			return button(b.Title, Click{OpenBrowser, c.Name, b.ID})
		})))
	}
	if x.Terminal {
		items = append(items, button("Open terminal in this cluster", Click{Action: OpenTerminal, Context: c.Name}))
	}
	return items
}

// snippets offers the other addresses of the proxy, and the setup for programs.
func snippets(c session.State, x view, extra Extra) []Item {
	kinds := x.Snippets
	var urls []Item
	if c.TLS {
		kinds = x.TLSSnippets
	} else {
		urls = append(urls, button("Copy "+c.Endpoints.ProxyURL("http"), Click{Action: CopyHTTP, Context: c.Name}))
		if extra.PAC {
			urls = append(urls, button("Copy PAC URL", Click{Action: CopyPAC, Context: c.Name}))
		}
	}
	lines := each(kinds, func(kind Choice) Item { return button(kind.Title, Click{CopySnippet, c.Name, kind.ID}) })
	if len(lines) > 0 {
		lines = append([]Item{line("caption/snippets/"+c.Name, "Setup for")}, lines...)
	}
	items := join("snippets/"+c.Name, urls, lines)
	if len(items) == 0 {
		return nil
	}
	return []Item{submenu("snippets/"+c.Name, "More to copy", items)}
}
