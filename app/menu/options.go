package menu

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"fairlead/app/session"
)

// The routes of hosts outside the cluster, as in session.State.Outside.
const (
	direct = "direct"
	refuse = "refuse"
)

// Egress is the route through a forward proxy in the cluster that Fairlead has deployed.
const Egress = "fairlead-egress"

// throughCluster is the title of the route Egress, deployed or not.
const throughCluster = "Connect through the cluster"

// outside offers the routes of hosts outside the cluster: directly, through the cluster, through each of the upstreams, or
// not at all. A nested context does not offer to deploy what leads through the cluster, because that would be too deep.
func outside(c session.State, x view, nested bool) []Item {
	if c.Outside == "" {
		return nil
	}
	type choice struct{ route, title, word string }
	choices := []choice{{direct, "Connect directly", "direct"}}
	deployed := x.Contexts[c.Name].Egress || c.Outside == Egress
	if deployed {
		choices = append(choices, choice{Egress, throughCluster, "through the cluster"})
	}
	upstreams := x.Upstreams[:min(len(x.Upstreams), maxUpstreams)]
	if c.Outside != direct && c.Outside != refuse && c.Outside != Egress && !slices.Contains(upstreams, c.Outside) {
		upstreams = append([]string{c.Outside}, upstreams...) // it holds, whatever became of it
	}
	for _, name := range upstreams {
		choices = append(choices, choice{name, "Connect through " + name, "through " + name})
	}
	title := "Outside the cluster"
	var items []Item
	for _, choice := range append(choices, choice{refuse, "Refuse", "refused"}) {
		holds := c.Outside == choice.route
		if holds {
			title += ": " + choice.word
		}
		items = append(items, radio(choice.title, holds, Click{SetOutside, c.Name, choice.route}))
	}
	if !deployed && !nested {
		items = append(items, separator("outside/"+c.Name), deployment(c, x.Contexts[c.Name]))
	}
	return []Item{submenu("outside/"+c.Name, title, items)}
}

// deployment returns the row that asks before it deploys a forward proxy in the cluster: in production twice.
func deployment(c session.State, extra Extra) Item {
	namespace := cmp.Or(c.Namespace, "default")
	id := "egress/" + c.Name
	if extra.EgressProgress != "" {
		return submenu(id, throughCluster, []Item{line("progress/"+id, shortEnd("Deploying: "+oneLine(extra.EgressProgress), maxSentence))})
	}
	ask := button("Deploy it", Click{DeployEgress, c.Name, namespace})
	asks := []Item{
		line("what/"+id, "A forward proxy is deployed for this:"),
		line("objects/"+id, shortMiddle("a Deployment and a Service in namespace "+clean(namespace), maxSentence)),
	}
	if c.Production {
		ask.Title = "Deploy it in production"
		asks = append(asks, line("production/"+id, "This context is marked as production."))
	}
	if c.Production && !extra.EgressConfirmed {
		ask = button("Yes, in production (it asks again)", Click{Action: ConfirmEgress, Context: c.Name})
	}
	return submenu(id, throughCluster, append(asks, separator(id), ask))
}

// maxUpstreams bounds the upstreams that a menu offers.
const maxUpstreams = 30

// options returns the submenu of what is set and done rarely. In a nested one the times after which a context stops have
// no submenu.
func options(c session.State, x view, extra Extra, nested bool) []Item {
	settings := []Item{
		toggle("Ask for a password", c.Password, Click{SetPassword, c.Name, strconv.FormatBool(!c.Password)}, ""),
		toggle("Treat as production", c.Production, Click{SetProduction, c.Name, strconv.FormatBool(!c.Production)}, ""),
	}
	title, times := autoOff(c)
	sections := [][]Item{settings}
	if nested {
		sections = append(sections, append([]Item{line("auto-off/"+c.Name, title)}, times...))
	} else {
		names := namespaces(c, x, extra)
		sections = [][]Item{slices.Concat([]Item{names}, settings, []Item{submenu("auto-off/"+c.Name, title, times)})}
	}
	var acts []Item
	if _, again := tryAgain(c); !again || c.Reason == "" { // which does the same
		acts = append(acts, button("Log in again", Click{Action: LogIn, Context: c.Name}))
	}
	acts = append(acts, button("Close connections", Click{Action: CloseConnections, Context: c.Name}))
	sections = append(sections, append(acts, button("Open log", Click{Action: OpenLog, Context: c.Name})))
	return []Item{submenu("options/"+c.Name, "Options", join("options/"+c.Name, sections...))}
}

// autoOff offers durations after which a context stops by itself, counted from the click.
func autoOff(c session.State) (title string, items []Item) {
	title = "Stop after: never"
	never := c.OffAt.IsZero()
	if !never {
		title = "Stops at " + c.OffAt.Format("15:04")
		at := line("off-at/"+c.Name, "At "+c.OffAt.Format("15:04"))
		at.Checkable, at.Radio, at.Checked = true, true, true
		items = append(items, at)
	}
	for _, offer := range []struct {
		title string
		after time.Duration
	}{{"15 minutes", 15 * time.Minute}, {"1 hour", time.Hour}, {"4 hours", 4 * time.Hour}, {"8 hours", 8 * time.Hour}} {
		items = append(items, radio(offer.title, false, Click{SetAutoOff, c.Name, offer.after.String()}))
	}
	return title, append(items, radio("Never", never, Click{SetAutoOff, c.Name, time.Duration(0).String()}))
}
