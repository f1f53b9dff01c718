//go:build linux

package desktoptest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
)

const (
	itemInterface = "org.kde.StatusNotifierItem"
	itemPath      = "/StatusNotifierItem"
	menuInterface = "com.canonical.dbusmenu"
)

// TrayItem is a tray icon, as a panel sees it: a StatusNotifierItem on the session bus.
type TrayItem struct {
	ID    string // its property Id
	Owner string // its connection to the bus; another one after a restart of its program

	desktop *Desktop
	item    dbus.BusObject
	menu    dbus.BusObject
}

// Tray waits for the tray icon whose Id is id, whether or not a panel shows it; see Shown.
func (d *Desktop) Tray(t testing.TB, id string) *TrayItem {
	t.Helper()
	var found *TrayItem
	var seen []string
	describe := func() string { return fmt.Sprintf("there are: %q", seen) }
	waitFor(t, "the tray icon "+id, describe, func() bool {
		seen = nil
		for _, owner := range d.itemOwners(t) {
			item := d.trayItem(owner)
			if item == nil {
				continue
			}
			seen = append(seen, item.ID)
			if item.ID == id {
				found = item
			}
		}
		return found != nil
	})
	return found
}

// itemOwners returns the unique names of the connections that own a name of a StatusNotifierItem.
func (d *Desktop) itemOwners(t testing.TB) []string {
	t.Helper()
	var names, owners []string
	if err := d.bus.BusObject().CallWithContext(t.Context(), "org.freedesktop.DBus.ListNames", 0).Store(&names); err != nil {
		t.Fatalf("list the names on the session bus: %v", err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, itemInterface+"-") {
			continue
		}
		if owner := d.owner(t, name); owner != "" {
			owners = append(owners, owner)
		}
	}
	return owners
}

// trayItem returns the icon of a connection, or nil if it has none yet or is closed.
func (d *Desktop) trayItem(owner string) *TrayItem {
	item := &TrayItem{Owner: owner, desktop: d, item: d.bus.Object(owner, itemPath)}
	var menu dbus.ObjectPath
	if item.item.StoreProperty(itemInterface+".Id", &item.ID) != nil || item.item.StoreProperty(itemInterface+".Menu", &menu) != nil {
		return nil
	}
	item.menu = d.bus.Object(owner, menu)
	return item
}

// Shown reports whether the panel has the icon in its list.
func (i *TrayItem) Shown() bool {
	var registered []string
	object := i.desktop.bus.Object(watcher, "/StatusNotifierWatcher")
	if object.StoreProperty(watcher+".RegisteredStatusNotifierItems", &registered) != nil {
		return false
	}
	return slices.ContainsFunc(registered, func(entry string) bool {
		return strings.HasPrefix(strings.Replace(entry, "@", "", 1), i.Owner+"/")
	})
}

// WaitShown waits until the panel has the icon in its list.
func (i *TrayItem) WaitShown(t testing.TB) {
	t.Helper()
	waitFor(t, "the panel to show the icon "+i.ID, nil, i.Shown)
}

// WaitGone waits until the icon's program has left the session bus.
func (i *TrayItem) WaitGone(t testing.TB) {
	t.Helper()
	waitFor(t, "the icon "+i.ID+" to go", nil, func() bool { return !i.desktop.Owned(t, i.Owner) })
}

// Tooltip returns the title of the icon's tooltip.
func (i *TrayItem) Tooltip(t testing.TB) string {
	t.Helper()
	value, err := i.item.GetProperty(itemInterface + ".ToolTip")
	if err != nil {
		t.Fatalf("read the tooltip of %s: %v", i.ID, err)
	}
	// (icon name, pixmaps, title, text)
	fields, ok := value.Value().([]any)
	if !ok || len(fields) != 4 {
		t.Fatalf("the tooltip of %s is %v", i.ID, value)
	}
	title, _ := fields[2].(string)
	return title
}
