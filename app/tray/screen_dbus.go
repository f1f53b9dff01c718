//go:build !windows && !darwin

package tray

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/godbus/dbus/v5"
)

// GNOME Shell unfolds submenus inside the menu, in the space that the menu's own lines leave on the screen, and does
// not scroll the menu, so what is below the screen's edge cannot be reached. These are its measures in its own pixels,
// of which a scaled screen has fewer.
const (
	shellLine   = 37  // height of a line
	shellAround = 115 // height of the panel, the margins and separators
)

// lowScreen is the height to assume until the actual one is known. What is below the edge of a lower one cannot be
// clicked; on a higher one, the menu is short for a moment.
const lowScreen = 768

// room returns the number of lines to assume until watchRoom reports it, or 0 if it will not.
func (d desktop) room() int {
	if !isGNOMEShell(os.Getenv("XDG_CURRENT_DESKTOP")) {
		return 0
	}
	return roomFor(lowScreen)
}

// watchRoom calls its function with the number of lines that the screen has room for, as soon as it is known and whenever
// the screens change, until ctx ends. On desktops that scroll menus and open submenus next to them it does not call it.
func (d desktop) watchRoom(ctx context.Context, report func(lines int)) {
	if !isGNOMEShell(os.Getenv("XDG_CURRENT_DESKTOP")) {
		return
	}
	changes := make(chan *dbus.Signal, 4)
	d.bus.Signal(changes)
	defer d.bus.RemoveSignal(changes)
	// Without the signal, the room stays as it was at the start.
	_ = d.bus.AddMatchSignalContext(ctx, dbus.WithMatchInterface(displayInterface), dbus.WithMatchMember("MonitorsChanged"))
	for {
		var again <-chan time.Time
		if height, err := d.screenHeight(ctx); err == nil {
			report(roomFor(height))
		} else {
			again = time.After(time.Second) // the shell may not have the name on the bus yet
		}
		select {
		case <-again:
		case _, ok := <-changes:
			if !ok {
				return // the bus has gone
			}
		case <-ctx.Done():
			return
		}
	}
}

func roomFor(height int) int { return (height - shellAround) / shellLine }

const displayInterface = "org.gnome.Mutter.DisplayConfig"

// The results of GetCurrentState of org.gnome.Mutter.DisplayConfig.
type (
	connector struct{ Name, Vendor, Product, Serial string }
	monitor   struct {
		Connector  connector
		Modes      []mode
		Properties map[string]dbus.Variant
	}
	mode struct {
		Name          string
		Width, Height int32
		Refresh       float64
		Preferred     float64
		Scales        []float64
		Properties    map[string]dbus.Variant
	}
	logicalMonitor struct {
		X, Y       int32
		Scale      float64
		Transform  uint32 // odd values are rotated by 90 degrees
		Primary    bool
		Monitors   []connector
		Properties map[string]dbus.Variant
	}
)

// screenHeight returns the height of the screen with the panel, in the shell's pixels.
func (d desktop) screenHeight(ctx context.Context) (int, error) {
	// The shell may be busy, for example when a session starts.
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var serial uint32
	var monitors []monitor
	var screens []logicalMonitor
	var properties map[string]dbus.Variant
	call := d.bus.Object(displayInterface, "/org/gnome/Mutter/DisplayConfig").CallWithContext(ctx, displayInterface+".GetCurrentState", dbus.FlagNoAutoStart)
	if err := call.Store(&serial, &monitors, &screens, &properties); err != nil {
		return 0, fmt.Errorf("query the screens: %w", err)
	}
	return heightOf(monitors, screens)
}

var errNoScreen = errors.New("there is no screen with a panel")

func heightOf(monitors []monitor, screens []logicalMonitor) (int, error) {
	for _, screen := range screens {
		if !screen.Primary || len(screen.Monitors) == 0 || screen.Scale <= 0 {
			continue
		}
		for _, m := range monitors {
			for _, mode := range m.Modes {
				if current, _ := mode.Properties["is-current"].Value().(bool); m.Connector != screen.Monitors[0] || !current {
					continue
				}
				height := mode.Height
				if screen.Transform%2 == 1 {
					height = mode.Width
				}
				return int(float64(height) / screen.Scale), nil
			}
		}
	}
	return 0, errNoScreen
}
