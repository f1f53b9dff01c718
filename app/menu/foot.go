package menu

import (
	"slices"
	"strconv"

	"fairlead/app/session"
)

// foot returns everything below the contexts.
func foot(s session.Snapshot, x view) []Item {
	var items []Item
	if slices.ContainsFunc(s.Contexts, stoppable) {
		stop := button("Stop all", Click{Action: StopAll})
		if len(s.Contexts) == 1 {
			stop.Title = "Stop " + x.title(s.Contexts[0])
		}
		items = append(items, stop)
	}
	about := submenu("fairlead", "Fairlead", join("fairlead", paragraph("root", x.RootWarning), program(s, x)))
	if x.Sudo {
		about.Title, about.Icon = "Fairlead runs as root", string(session.SignAttention)
	}
	return append(items, about, button("Quit", Click{Action: Quit}))
}

// program returns the submenu about the program itself.
func program(s session.Snapshot, x view) []Item {
	var items []Item
	if x.Autostart != nil {
		items = append(items, toggle("Start at login", *x.Autostart, Click{Action: SetAutostart, Argument: strconv.FormatBool(!*x.Autostart)}, ""))
	}
	if len(x.Notifications) > 0 {
		items = append(items, submenu("notifications", "Notifications", each(x.Notifications, func(kind Switch) Item {
			return toggle(kind.Title, kind.On, Click{Action: SetNotify, Argument: kind.ID + "=" + strconv.FormatBool(!kind.On)}, kind.ID)
		})))
	}
	if x.Settings {
		items = append(items, openSettings(string(OpenSettings)))
	}
	items = append(items, kubeconfigs(s.Sources)...)
	items = append(items, button("Open log folder", Click{Action: OpenLogFolder}))
	if x.Version != "" {
		about := button("Copy version: "+shortEnd(clean(x.Version), maxName), Click{Action: CopyVersion, Argument: x.Build})
		about.ID = string(CopyVersion)
		items = append(items, about)
	}
	return items
}

// kubeconfigs offers the files that contexts are read from.
func kubeconfigs(files []string) []Item {
	show := func(title, file string) Item {
		item := button(title, Click{Action: OpenKubeconfig, Argument: file})
		item.ID = "kubeconfig/" + file
		return item
	}
	files = slices.Compact(slices.Sorted(slices.Values(files)))
	switch len(files) {
	case 0:
		return nil
	case 1:
		return []Item{show("Open kubeconfig", files[0])}
	}
	titles := unlike(files, func(file string) []string {
		return []string{shortMiddle(clean(shortFile(file, files)), maxName), shortMiddle(clean(file), maxSentence)}
	})
	var items []Item
	for i, file := range files[:min(len(files), maxGroup)] {
		items = append(items, show(titles[i], file))
	}
	return []Item{submenu("kubeconfigs", "Open kubeconfig", andMore(items, "kubeconfigs", len(files)))}
}
