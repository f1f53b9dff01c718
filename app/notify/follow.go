package notify

import (
	"cmp"
	"iter"
	"time"

	"fairlead/app/explain"
	"fairlead/app/session"
)

// Follow reports contexts that the user switched on, and contexts that fail and recover, by comparing snapshots. It
// returns when snapshots ends.
func (n *Notifier) Follow(snapshots iter.Seq[session.Snapshot]) {
	f := follower{Notifier: n, reported: map[string]time.Time{}}
	before := map[string]session.State{}
	for snapshot := range snapshots {
		titles := n.titlesOf(snapshot)
		n.update(func(d *deck) { d.titles = titles })
		now := map[string]session.State{}
		for _, c := range snapshot.Contexts {
			now[c.Name] = c
			f.compare(before[c.Name], c)
		}
		for name := range before {
			if _, there := now[name]; !there {
				n.update(func(d *deck) { d.forget(name) }) // if it comes back, that is not a recovery
				delete(f.reported, name)
			}
		}
		before = now
	}
}

// A follower compares the states of contexts.
type follower struct {
	*Notifier
	reported map[string]time.Time // by context, the last State.Requested of which the outcome was reported
}

// compare reports what is new about a context. Switching off is not reported, because the user did that.
func (f follower) compare(was, is session.State) {
	requested := !is.Requested.Equal(f.reported[is.Name])
	works := is.Phase == session.On && is.Reason == ""
	switch {
	case bad(is):
		if !bad(was) || was.Trouble != is.Trouble || was.Reason != is.Reason || was.Login != is.Login {
			f.Report(troubleOf(is))
		}
	case works && requested:
		if !is.Reached {
			return // until its cluster was tried, it may be in trouble
		}
		f.Started(is.Name, is.URL(), is.Production)
	case works && !is.Unknown:
		f.Recovered(is.Name)
		return
	case is.Phase == session.Starting:
		f.update(func(d *deck) { d.tryAgain(is.Name) })
		return
	case is.Phase == session.Off:
		f.update(func(d *deck) { d.forget(is.Name) })
	default:
		return
	}
	f.reported[is.Name] = is.Requested
}

// bad reports whether a context is in trouble.
func bad(c session.State) bool {
	return c.Usable && (c.Phase == session.Failed || c.Phase == session.Unavailable || c.Phase == session.On && c.Reason != "")
}

// troubleOf returns what is wrong with a context.
func troubleOf(c session.State) Trouble {
	t := Trouble{
		Context: c.Name, Kind: Contexts, Over: "reachable again", Sign: c.Sign(), Production: c.Production, Command: c.Login,
		Said: explain.Explanation{Title: cmp.Or(c.Title, "API server not reachable"), Sentence: c.Reason, Hint: c.Hint},
	}
	switch {
	case c.Trouble == session.ChangeFailed:
		t.Said.Title, t.Over = "Change not applied", "change applied"
	case c.Trouble == session.LoginNeeded:
		t.Kind, t.Said.Title, t.Over = Logins, cmp.Or(c.Title, "Login needed"), "logged in"
	case c.Trouble == session.PortTaken:
		t.Kind, t.Said.Title, t.Over = Ports, cmp.Or(c.Title, "Port taken"), "on again"
	case c.Phase == session.Failed:
		t.Said.Title, t.Over = cmp.Or(c.Title, "Failed"), "on again"
	}
	return t
}
