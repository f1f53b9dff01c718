package menu

import (
	"time"

	"fairlead/app/session"
)

// details returns the line below the row of a running context, with the actions on it.
func details(c session.State, x view) Item {
	title := indent + x.title(c) + ": copy, open, more"
	if !c.Phase.Listening() {
		return Item{ID: "details/" + c.Name, Title: title, Hidden: true, Submenu: true}
	}
	extra := x.Contexts[c.Name]
	if c.TLS {
		x.Browsers = nil // its window would have no client certificate
	}
	var items []Item
	items = append(items, copies(c, x, extra)...)
	items = append(items, browsers(c, x)...)
	items = append(items, separator("what/"+c.Name), namespaces(c, extra), services(c, x, extra))
	if c.Outside != "" {
		items = append(items, toggle("Refuse hosts outside the cluster", c.Outside == refuse, Click{SetOutside, c.Name, other(c.Outside)}, ""))
	}
	items = append(items,
		toggle("Clients must give a password", c.Password, Click{SetPassword, c.Name, word(!c.Password)}, ""),
		toggle("Production: ask before it starts", c.Production, Click{SetProduction, c.Name, word(!c.Production)}, ""),
		autoOff(c),
		separator("do/"+c.Name),
		button("Close all its connections", Click{Action: CloseConnections, Context: c.Name}),
		button("Log in again", Click{Action: LogIn, Context: c.Name}),
		button("Show log", Click{Action: OpenLog, Context: c.Name}),
		button("Stop", Click{Action: Stop, Context: c.Name}),
	)
	return submenu("details/"+c.Name, title, items)
}

func copies(c session.State, x view, extra Extra) []Item {
	if c.TLS {
		return append([]Item{button("Copy "+URL(c), Click{Action: CopyTLS, Context: c.Name})}, snippets(c, x.TLSSnippets)...)
	}
	items := []Item{
		button("Copy "+URL(c), Click{Action: CopySOCKS5, Context: c.Name}),
		button("Copy "+proxyURL("http", c), Click{Action: CopyHTTP, Context: c.Name}),
	}
	if extra.PAC {
		items = append(items, button("Copy PAC URL", Click{Action: CopyPAC, Context: c.Name}))
	}
	return append(items, snippets(c, x.Snippets)...)
}

func snippets(c session.State, kinds []Choice) []Item {
	var items []Item
	for _, kind := range kinds {
		items = append(items, button(kind.Title, Click{CopySnippet, c.Name, kind.ID}))
	}
	if items == nil {
		return nil
	}
	return []Item{submenu("snippets/"+c.Name, "Copy for", items)}
}

func browsers(c session.State, x view) []Item {
	if len(x.Browsers) == 1 {
		return []Item{button("Open "+x.Browsers[0].Title+" in this cluster", Click{OpenBrowser, c.Name, x.Browsers[0].ID})}
	}
	var items []Item
	for _, browser := range x.Browsers {
		items = append(items, button(browser.Title, Click{OpenBrowser, c.Name, browser.ID}))
	}
	if items == nil {
		return nil
	}
	return []Item{submenu("browsers/"+c.Name, "Open browser in this cluster", items)}
}

// The routes of hosts outside the cluster, as in session.State.Outside.
const (
	direct = "direct"
	refuse = "refuse"
)

func other(outside string) string {
	if outside == refuse {
		return direct
	}
	return refuse
}

// word returns a bool in the form of Click.Argument.
func word(is bool) string {
	if is {
		return "true"
	}
	return "false"
}

// autoOff offers durations after which a context turns itself off, counted from the click.
func autoOff(c session.State) Item {
	title := "Turn itself off"
	if !c.OffAt.IsZero() {
		title = "Turns itself off at " + c.OffAt.Format("15:04")
	}
	items := []Item{check("Never", c.OffAt.IsZero(), Click{SetAutoOff, c.Name, time.Duration(0).String()})}
	for _, offer := range []struct {
		title string
		after time.Duration
	}{{"In 15 minutes", 15 * time.Minute}, {"In an hour", time.Hour}, {"In 4 hours", 4 * time.Hour}, {"In 8 hours", 8 * time.Hour}} {
		items = append(items, button(offer.title, Click{SetAutoOff, c.Name, offer.after.String()}))
	}
	return submenu("auto-off/"+c.Name, title, items)
}
