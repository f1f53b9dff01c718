package actions

import (
	"maps"
	"slices"

	"fairlead/app/desktop"
	"fairlead/app/instance"
	"fairlead/app/menu"
	"fairlead/app/notify"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/app/snippet"
)

// New returns the actions of a menu. It sends to redraw when the menu must be drawn again.
func New(p *instance.Instance, model *session.Manager, clipboard *desktop.Clipboard, notifier *notify.Notifier, redraw chan<- struct{}) *Actions {
	redrawLater := func() {
		select {
		case redraw <- struct{}{}:
		default: // a redraw is pending already
		}
	}
	return &Actions{
		Instance: p, model: model, clipboard: clipboard, notifier: notifier, redraw: redrawLater, catalogue: &catalogue{changed: redrawLater},
		Windows: &desktop.Browsers{},
	}
}

// Extras returns what the menu shows beyond the model. It is used as a tray.Config's Extras, and sends no queries.
func (c *Actions) Extras() menu.Extras {
	extras := menu.Extras{
		Contexts: map[string]menu.Extra{}, Settings: true, Version: instance.VersionNumber(), Build: instance.Version(), Terminal: desktop.HasTerminal(),
	}
	extras.Upstreams = slices.Sorted(maps.Keys(c.Settings.Upstreams()))
	root := instance.AsRoot()
	extras.RootWarning, extras.Sudo = root.Warning, root.Sudo
	if on, err := desktop.Autostart(); err == nil {
		extras.Autostart = &on
	}
	for _, browser := range desktop.FindBrowsers(c.Settings.Config().Browser) {
		extras.Browsers = append(extras.Browsers, menu.Choice{ID: browser.ID, Title: browser.Title})
	}
	extras.Shell, extras.Snippets = snippets()
	for _, kind := range snippet.TLSKinds() {
		extras.TLSSnippets = append(extras.TLSSnippets, menu.Choice{ID: kind.ID, Title: kind.Title})
	}
	for _, kind := range settings.Notifications() {
		extras.Notifications = append(extras.Notifications, menu.Switch{
			Choice: menu.Choice{ID: string(kind), Title: notificationTitles[kind]}, On: c.Settings.Notifies(kind),
		})
	}
	for _, proxy := range c.Gateways.All() {
		extra := menu.Extra{PAC: true, Connections: int(proxy.Traffic().Open)}
		c.catalogue.addTo(proxy.Name(), &extra)
		extra.Egress = c.Settings.Effective(proxy.Name()).Egress != (settings.Egress{})
		c.deployments.addTo(proxy.Name(), &extra)
		extras.Contexts[proxy.Name()] = extra
	}
	return extras
}

var notificationTitles = map[settings.Notification]string{
	settings.NotifyStarts:   "Context started",
	settings.NotifyDials:    "Connection failed",
	settings.NotifyContexts: "Context failed or recovered",
	settings.NotifyLogins:   "Login needed",
	settings.NotifyPorts:    "Port taken",
}
