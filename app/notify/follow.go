package notify

import (
	"iter"
	"slices"

	"fairlead/app/explain"
	"fairlead/app/session"
)

// Follow reports contexts that fail and recover, by comparing snapshots, and returns when snapshots ends.
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
				n.forget(name) // if it comes back, that is not a recovery
			}
		}
		before = now
	}
}

// compare reports what is new about a context. Switching off and on is not reported, because the user did that.
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
			title = "Change not applied"
		}
		if is.Title != "" && is.Trouble != session.ChangeFailed {
			title = is.Title
		}
		n.Trouble(kind, is.Name, explain.Explanation{Title: title, Sentence: is.Reason, Hint: is.Hint}, is.Login)
	case is.Phase == session.On && is.Reason == "" && !is.Unknown:
		n.Recovered(is.Name)
	case is.Phase == session.Starting:
		n.restart(is.Name)
	case is.Phase == session.Off:
		n.forget(is.Name)
	}
}

// forget discards what is known of a context as a whole. The next failure is shown at once.
func (n *Notifier) forget(context string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drop(context)
	n.end(context)
}

// restart makes a failure after a click on a failed context show at once, too. A recovery is still shown.
func (n *Notifier) restart(context string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.end(context)
}

// end ends the episodes of a context as a whole. The caller holds mu.
func (n *Notifier) end(context string) {
	n.episodes = slices.DeleteFunc(n.episodes, func(ep *episode) bool { return ep.context == context && ep.kind != Dials })
}
