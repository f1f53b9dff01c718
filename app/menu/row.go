package menu

import (
	"fmt"

	"fairlead/app/session"
)

// rows returns the lines of one context: the one that switches it, and those below it that show or offer something.
func rows(c session.State, x view) []Item {
	return []Item{row(c, x), details(c, x), reason(c), hint(c), warning(c)}
}

// row returns the line that switches a context. It has no submenu, because desktops do not click lines that have one;
// only a production context has one, to confirm its start.
func row(c session.State, x view) Item {
	if c.Production && c.Usable && !c.Wanted && !stoppable(c) {
		return submenu("ask/"+c.Name, rowTitle(c, x), []Item{
			submenu("start/"+c.Name, "Start "+x.title(c)+"…", []Item{
				button("Yes, start "+x.title(c), Click{Action: Start, Context: c.Name}),
			}),
		})
	}
	return Item{
		ID:        "row/" + c.Name,
		Title:     rowTitle(c, x),
		Tooltip:   rowTooltip(c),
		Checkable: true,
		Checked:   c.Wanted && c.Phase != session.Failed,
		Disabled:  !c.Usable && !stoppable(c),
		Click:     rowClick(c),
	}
}

// rowClick returns a toggle, except for a production context that failed, whose start was confirmed already.
func rowClick(c session.State) Click {
	if c.Production && c.Phase == session.Failed {
		return Click{Action: Start, Context: c.Name}
	}
	return Click{Action: Toggle, Context: c.Name}
}

// reason returns the line that says why a context is not as it should be. If a command fixes it, a click copies the
// command, unless it has several lines, which a shell would run at once when they are pasted.
func reason(c session.State) Item {
	item := line("reason/"+c.Name, indent+shortEnd(clean(c.Reason), maxSentence))
	item.Hidden = c.Reason == ""
	if c.Trouble != session.LoginNeeded || c.Login == "" || c.Login != clean(c.Login) || item.Hidden {
		return item
	}
	item = button(indent+"login needed: copy “"+shortEnd(clean(c.Login), maxCommand)+"”", Click{CopyLogin, c.Name, c.Login})
	item.ID, item.Tooltip = "login/"+c.Name, shortEnd(clean(c.Reason), maxSentence)
	return item
}

// hint returns the line that says what to do about a context that failed or cannot be used. The remedies for a
// listening context are in the rest of its menu.
func hint(c session.State) Item {
	item := line("hint/"+c.Name, indent+shortEnd(clean(c.Hint), maxSentence))
	item.Hidden = c.Hint == "" || c.Phase != session.Failed && c.Usable
	return item
}

// warning returns the line that says who else may use a context's address.
func warning(c session.State) Item {
	item := line("warning/"+c.Name, indent+badge+shortEnd(clean(c.Warning), maxSentence))
	item.Hidden = c.Warning == "" || !c.Phase.Listening()
	return item
}

// stoppable reports whether a context can be stopped. A failure that is shown counts.
func stoppable(c session.State) bool { return c.Phase != session.Off }

// rowTitle returns a context's title and state.
func rowTitle(c session.State, x view) string {
	name := x.title(c)
	if c.Production {
		name = badge + name
	}
	if c.Current {
		name = star + name
	}
	switch c.Phase {
	case session.Starting:
		return name + "  starting…"
	case session.On:
		return name + "  " + ShortAddress(c.Endpoints.ProxyAddress())
	case session.Unavailable:
		return name + "  " + ShortAddress(c.Endpoints.ProxyAddress()) + "  (unavailable)"
	case session.Stopping:
		return name + "  stopping…"
	case session.Failed:
		return name + "  failed"
	}
	if !c.Usable {
		return name + "  cannot be used"
	}
	if c.Production {
		return name + "  (production)"
	}
	return name
}

// rowTooltip returns what does not fit in the title.
func rowTooltip(c session.State) string {
	words := clean(c.Name)
	for _, more := range []struct{ what, value string }{{"cluster", c.Cluster}, {"namespace", c.Namespace}, {"from", c.File}} {
		if more.value != "" {
			words += fmt.Sprintf(", %s %s", more.what, clean(more.value))
		}
	}
	return words
}
