package menu

import (
	"time"

	"fairlead/app/session"
)

// startFor is how long a production context is on if it is started for a while.
const startFor = time.Hour

// offRow returns the row of a context that can be started: a button or, for a production context, the submenu that asks.
func offRow(c session.State, x view) Item {
	title := marked(c, x)
	if !c.Production {
		item := button(title, Click{Action: TurnOn, Context: c.Name})
		item.ID, item.Tooltip = "row/"+c.Name, rowTooltip(c)
		return item
	}
	item := submenu("row/"+c.Name, title, []Item{
		button("Start "+x.title(c), Click{Action: Start, Context: c.Name}),
		button("Start "+x.title(c)+" for 1 hour", Click{StartFor, c.Name, startFor.String()}),
	})
	item.Tooltip = rowTooltip(c)
	return item
}

// runningRow returns the row of a context that is on or failed. A nested one is in a submenu itself, so that its own ones
// must not be deep.
func runningRow(c session.State, x view, nested bool) Item {
	item := submenu("row/"+c.Name, rowTitle(c, x), details(c, x, nested))
	item.Icon, item.Tooltip = string(c.Sign()), rowTooltip(c)
	return item
}

// notUsable returns the row of the contexts whose entries cannot be used, each with the reason.
func notUsable(all []session.State, x view) Item {
	show := func(c session.State) Item {
		return submenu("row/"+c.Name, marked(c, x), needs(c, x))
	}
	title := counted("Not usable", len(all))
	if len(all) <= maxGroup {
		return submenu("not-usable", title, each(all, show))
	}
	return submenu("not-usable", title, each(pages("not-usable", "", all, x), func(g group) Item {
		return submenu("group/"+g.id, g.title, each(g.contexts, show))
	}))
}

// stoppable reports whether a context can be stopped. A failure that is shown counts.
func stoppable(c session.State) bool { return c.Phase != session.Off }

// marked returns a context's title with its marks.
func marked(c session.State, x view) string { return marks(c) + x.title(c) }

// marks returns what stands before a context's title.
func marks(c session.State) string {
	marks := ""
	if c.Current {
		marks += star
	}
	if c.Production {
		marks += production
	}
	return marks
}

// rowTitle returns a context's title, and its port or the cause of its trouble in a few words.
func rowTitle(c session.State, x view) string { return marked(c, x) + state + stateWords(c) }

// stateWords returns the port of a context that is on, and otherwise what it does or the cause of its trouble.
func stateWords(c session.State) string {
	switch c.Phase {
	case session.Starting:
		return "starting…"
	case session.Stopping:
		return "stopping…"
	case session.On:
		port := ShortAddress(c.Endpoints.ProxyAddress())
		if c.Sign() != session.SignOn {
			return port + ", " + shortEnd(troubleWords(c), maxCause)
		}
		return port
	}
	return shortEnd(troubleWords(c), maxCause)
}

// rowTooltip returns what does not fit in the title.
func rowTooltip(c session.State) string {
	words := clean(c.Name)
	for _, more := range []struct{ what, value string }{{"cluster", c.Cluster}, {"namespace", c.Namespace}, {"from", c.File}} {
		if more.value != "" {
			words += ", " + more.what + " " + clean(more.value)
		}
	}
	return words
}
