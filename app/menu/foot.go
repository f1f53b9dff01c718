package menu

import (
	"slices"

	"fairlead/app/session"
)

// foot returns everything below the contexts.
func foot(s session.Snapshot, x view) []Item {
	items := []Item{separator("below contexts")}
	if latest, ok := latest(s); ok {
		item := button("Copy socks5h URL of "+x.title(latest), Click{Action: CopySOCKS5, Context: latest.Name})
		if latest.TLS {
			item = button("Copy https URL of "+x.title(latest), Click{Action: CopyTLS, Context: latest.Name})
		}
		item.ID = "copy-latest"
		items = append(items, item)
	} else {
		items = append(items, Item{ID: "copy-latest", Title: "Copy socks5h URL", Disabled: true, Hidden: true})
	}
	off := button("All off", Click{Action: StopAll})
	off.Disabled = !slices.ContainsFunc(s.Contexts, stoppable)
	items = append(items, off)
	if more := more(x); len(more) > 0 {
		items = append(items, submenu("more", "More", more))
	}
	return append(items, button("Quit", Click{Action: Quit}))
}

// latest returns the context that began to listen last, preferring those without trouble.
func latest(s session.Snapshot) (session.State, bool) {
	var found session.State
	for _, c := range s.Contexts {
		better := found.Phase == "" || c.Phase == session.On && found.Phase != session.On || c.Phase == found.Phase && c.Since.After(found.Since)
		if c.Phase.Listening() && better {
			found = c
		}
	}
	return found, found.Phase.Listening()
}

func more(x view) []Item {
	var items []Item
	if x.Autostart != nil {
		items = append(items, toggle("Start at login", *x.Autostart, Click{Action: SetAutostart, Argument: word(!*x.Autostart)}, ""))
	}
	var kinds []Item
	for _, kind := range x.Notifications {
		kinds = append(kinds, toggle(kind.Title, kind.On, Click{Action: SetNotify, Argument: kind.ID + "=" + word(!kind.On)}, kind.ID))
	}
	if kinds != nil {
		items = append(items, submenu("notifications", "Notify of", kinds))
	}
	if x.Settings {
		items = append(items, button("Settings file", Click{Action: OpenSettings}))
	}
	items = append(items, button("Log folder", Click{Action: OpenLogFolder}))
	if x.Version != "" {
		about := button(shortEnd(clean(x.Version), maxName)+" (copy)", Click{Action: CopyVersion, Argument: x.Version})
		about.ID = string(CopyVersion)
		items = append(items, about)
	}
	return items
}
