//go:build windows || (darwin && cgo)

package tray

import (
	"runtime"

	"fyne.io/systray"

	"fairlead/app/menu"
	"fairlead/assets"
)

// library is the painter by fyne.io/systray, whose state is global: a process has one tray, once.
type library struct{}

func (library) Quit()  { systray.Quit() }
func (library) Reset() { systray.ResetMenu() }

func (library) Add(parent handle, item menu.Item) (handle, <-chan struct{}) {
	above, _ := parent.(*systray.MenuItem)
	title := lookOf(runtime.GOOS, "").label(item)
	var made *systray.MenuItem
	switch {
	case item.Separator && above == nil:
		systray.AddSeparator()
		return nil, nil
	case item.Separator:
		above.AddSeparator()
		return nil, nil
	case item.Checkable && above == nil:
		made = systray.AddMenuItemCheckbox(title, item.Tooltip, item.Checked)
	case item.Checkable:
		made = above.AddSubMenuItemCheckbox(title, item.Tooltip, item.Checked)
	case above == nil:
		made = systray.AddMenuItem(title, item.Tooltip)
	default:
		made = above.AddSubMenuItem(title, item.Tooltip)
	}
	if item.Disabled {
		made.Disable()
	}
	setPicture(made, item.Icon)
	return made, made.ClickedCh
}

func (library) Update(h handle, from, to menu.Item) {
	made, ok := h.(*systray.MenuItem)
	if !ok {
		return // a separator
	}
	if title := lookOf(runtime.GOOS, "").label(to); title != lookOf(runtime.GOOS, "").label(from) {
		made.SetTitle(title)
	}
	if to.Icon != from.Icon {
		setPicture(made, to.Icon)
	}
	if to.Tooltip != from.Tooltip {
		made.SetTooltip(to.Tooltip)
	}
	if to.Checked != from.Checked {
		call(to.Checked, made.Check, made.Uncheck)
	}
	if to.Disabled != from.Disabled {
		call(to.Disabled, made.Disable, made.Enable)
	}
}

// setPicture sets the picture next to a title. On Windows the library would leave a file behind for each, and the sign is
// part of the title.
func setPicture(made *systray.MenuItem, name string) {
	if dot := assets.Dot(name, 16); runtime.GOOS == "darwin" && dot != nil {
		made.SetIcon(dot)
	}
}

func call(which bool, yes, no func()) {
	if which {
		yes()
	} else {
		no()
	}
}
