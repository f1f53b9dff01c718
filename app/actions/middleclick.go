package actions

import (
	"errors"

	"fairlead/app/menu"
	"fairlead/app/session"
	"fairlead/app/settings"
)

// MiddleClick returns what a middle click on the icon requests. It is used as a tray.Config's MiddleClick.
func (c *Actions) MiddleClick() menu.Click {
	if c.Settings.Config().MiddleClick == settings.MiddleClickCopyURL {
		return menu.Click{Action: menu.CopyURL}
	}
	return menu.Click{}
}

var errNoneOn = errors.New("no context is on: start one in the menu first")

// lastURL returns the click that copies the URL of the context that is on and was switched on last.
func (c *Actions) lastURL() (menu.Click, error) {
	var last session.State
	for _, state := range c.model.Snapshot().Contexts {
		if state.Phase.Listening() && (last.Name == "" || state.Used.After(last.Used)) {
			last = state
		}
	}
	if last.Name == "" {
		return menu.Click{}, errNoneOn
	}
	return menu.Click{Action: menu.CopyURLOf(last), Context: last.Name}, nil
}
