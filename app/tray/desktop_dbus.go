//go:build !windows && !darwin

package tray

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/godbus/dbus/v5"
)

// busVariable is the environment variable with the session bus's address.
const busVariable = "DBUS_SESSION_BUS_ADDRESS"

// busTimeout bounds the connection to a bus that accepts it and then does not respond.
const busTimeout = 3 * time.Second

// desktop is a connection to the session bus that is only used to observe the desktop. The icon and menu have a
// connection of their own.
type desktop struct {
	address string
	bus     *dbus.Conn
	cancel  context.CancelCauseFunc
}

// openDesktop connects to the desktop, or returns why there is none.
func openDesktop(ctx context.Context) (desktop, error) {
	address := busAddress()
	if address == "" {
		return desktop{}, &NoDesktop{Missing: "D-Bus session bus"}
	}
	d, err := connect(ctx, address)
	if err != nil {
		return desktop{}, &NoDesktop{Missing: "D-Bus session bus that answers", Err: fmt.Errorf("connect to the session bus at %s: %w", address, err)}
	}
	if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" && !d.hasPanel(ctx) {
		d.close()
		return desktop{}, &NoDesktop{Missing: "display"}
	}
	return d, nil
}

// busAddress returns the session bus's address, from the environment or as systemd sets it up, or "".
func busAddress() string {
	if address := os.Getenv(busVariable); address != "" && address != "autolaunch:" {
		return address
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = filepath.Join("/run/user", strconv.Itoa(os.Getuid()))
	}
	socket := filepath.Join(dir, "bus")
	if info, err := os.Stat(socket); err != nil || info.Mode()&os.ModeSocket == 0 {
		return ""
	}
	return "unix:path=" + dbus.EscapeBusAddressValue(socket)
}

// connect opens a connection that lasts until close or the bus ends it. ctx bounds only the connecting.
func connect(ctx context.Context, address string) (desktop, error) {
	lasting, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	connecting, done := context.WithTimeoutCause(ctx, busTimeout, fmt.Errorf("no answer within %s", busTimeout))
	defer done()
	stop := context.AfterFunc(connecting, func() { cancel(context.Cause(connecting)) })
	bus, err := dbus.Connect(address, dbus.WithContext(lasting))
	if stop() && err == nil {
		return desktop{address, bus, cancel}, nil
	}
	if cause := context.Cause(lasting); cause != nil {
		err = cause
	}
	cancel(nil)
	if bus != nil {
		_ = bus.Close()
	}
	return desktop{}, err
}

// hasPanel reports whether a panel shows tray icons, which is when the watcher that icons register with exists.
func (d desktop) hasPanel(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	var has bool
	err := d.bus.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, "org.kde.StatusNotifierWatcher").Store(&has)
	return err == nil && has
}

func (d desktop) gone() <-chan struct{} { return d.bus.Context().Done() }

func (d desktop) close() {
	_ = d.bus.Close() // nothing is pending
	d.cancel(nil)
}
