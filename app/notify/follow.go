package notify

import (
	"iter"
	"slices"

	"fairlead/app/explain"
	"fairlead/app/session"
)

// Follow tells of contexts that fail and come back, from one snapshot to the next, and returns when there are no more.
func (n *Notifier) Follow(snapshots iter.Seq[session.Snapshot]) {
	before := map[string]session.State{}
	for snapshot := range snapshots {
		now := map[string]session.State{}
		for _, c := range snapshot.Contexts {
			now[c.Name] = c
			n.compare(before[c.Name], c)
		}
		for name := range before {
			if _, there := now[name]; !there {
				n.forget(name) // should it come back, that is no recovery
			}
		}
		before = now
	}
}

// compare tells what is new about a context. That it was switched off, or is on its way, is no news: the user did that.
func (n *Notifier) compare(was, is session.State) {
	bad := func(c session.State) bool {
		return c.Usable && (c.Phase == session.Failed || c.Phase == session.Unavailable || c.Phase == session.On && c.Reason != "")
	}
	switch {
	case bad(is) && (!bad(was) || was.Trouble != is.Trouble || was.Reason != is.Reason):
		kind, title := Contexts, "Cluster unreachable"
		switch {
		case is.Trouble == session.LoginNeeded:
			kind, title = Logins, "Login needed"
		case is.Trouble == session.PortTaken:
			kind, title = Ports, "Port taken"
		case is.Phase == session.Failed:
			title = "Context failed"
		case is.Trouble == session.ChangeFailed:
			title = "Change not taken up"
		}
		if is.Title != "" && is.Trouble != session.ChangeFailed {
			title = is.Title
		}
		n.Trouble(kind, is.Name, explain.Explanation{Title: title, Sentence: is.Reason, Hint: is.Hint}, is.Login)
	case is.Phase == session.On && is.Reason == "" && !is.Unknown:
		n.Back(is.Name)
	case is.Phase == session.Starting:
		n.restart(is.Name)
	case is.Phase == session.Off:
		n.forget(is.Name)
	}
}

// forget drops what is known of a context as a whole: what fails after the next click is told at once.
func (n *Notifier) forget(context string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drop(context)
	n.end(context)
}

// again has what fails after a click on what has failed before told at once, too. That it works then is still news.
func (n *Notifier) restart(context string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.end(context)
}

// end ends the episodes of a context as a whole. mu is held.
func (n *Notifier) end(context string) {
	n.episodes = slices.DeleteFunc(n.episodes, func(ep *episode) bool { return ep.context == context && ep.kind != Dials })
}
