package delayline

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	deviceName  = "far0"
	deviceQueue = 20000 // packets; the line must not lose what a window lets through
	offloads    = unix.TUN_F_CSUM | unix.TUN_F_TSO4
)

// Open makes the device of the line in the network namespace of this process and sets it up: Home on it, the far
// addresses behind it, packets of mtu bytes. The namespace must have no such device yet. The loopback device is brought
// up too. An error says what is missing: the TUN driver, its device file, or the right to use them.
func Open(mtu int) (*os.File, error) {
	fd, err := openDriver()
	if err != nil {
		return nil, err
	}
	if err := setUp(fd, mtu); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	// Only now: before it is attached, the driver cannot be polled, and os.NewFile would read it with blocked threads.
	return os.NewFile(uintptr(fd), deviceName), nil
}

const driver = "/dev/net/tun"

// openDriver opens the TUN driver. Where its device file is missing or closed to us, root makes one of its own.
func openDriver() (int, error) {
	fd, err := unix.Open(driver, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		return fd, nil
	}
	err = fmt.Errorf("open %s: %w", driver, err)
	dir, tempErr := os.MkdirTemp("", "fairlead-tun-")
	if tempErr != nil {
		return -1, errors.Join(err, tempErr)
	}
	defer os.RemoveAll(dir)
	own := filepath.Join(dir, "tun")
	if mkErr := unix.Mknod(own, unix.S_IFCHR|0o600, int(unix.Mkdev(10, 200))); mkErr != nil {
		return -1, fmt.Errorf("%w, and none can be made: %w; what is missing is the TUN device file: as root, "+
			"mkdir -p /dev/net; mknod %s c 10 200; chmod 666 %[3]s", err, mkErr, driver)
	}
	fd, ownErr := unix.Open(own, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if ownErr != nil {
		return -1, fmt.Errorf("%w, and one made anew: %w; what is missing is the kernel's TUN driver: as root, modprobe tun", err, ownErr)
	}
	return fd, nil
}

func setUp(fd, mtu int) error {
	if err := attach(fd); err != nil {
		return err
	}
	if err := configure(mtu); err != nil {
		return err
	}
	return unix.SetNonblock(fd, true)
}

func attach(fd int) error {
	ifreq, err := unix.NewIfreq(deviceName)
	if err != nil {
		return err
	}
	ifreq.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifreq); err != nil {
		return fmt.Errorf("make the TUN device: %w (it takes CAP_NET_ADMIN in this network namespace)", err)
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, offloads); err != nil {
		return fmt.Errorf("set the TUN device's offloads: %w", err)
	}
	return nil
}

// configure gives the devices of the namespace their addresses and brings them up.
func configure(mtu int) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	up := func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil }
	// The netmask makes 10.98.0.0/16 a neighbour of Home, so that the route to it, and Home as its source, are implied.
	steps := []struct {
		device, what string
		request      uint
		set          func(*unix.Ifreq) error
	}{
		{"lo", "bring up", unix.SIOCSIFFLAGS, up},
		{deviceName, "set the address of", unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(Home.AsSlice()) }},
		{deviceName, "set the netmask of", unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr([]byte{255, 254, 0, 0}) }},
		{deviceName, "set the MTU of", unix.SIOCSIFMTU, func(r *unix.Ifreq) error { r.SetUint32(uint32(mtu)); return nil }},
		{deviceName, "set the queue of", unix.SIOCSIFTXQLEN, func(r *unix.Ifreq) error { r.SetUint32(deviceQueue); return nil }},
		{deviceName, "bring up", unix.SIOCSIFFLAGS, up},
	}
	for _, s := range steps {
		ifreq, err := unix.NewIfreq(s.device)
		if err != nil {
			return err
		}
		if err := s.set(ifreq); err != nil {
			return err
		}
		err = unix.IoctlIfreq(socket, s.request, ifreq)
		if s.request == unix.SIOCSIFTXQLEN && errors.Is(err, unix.EPERM) {
			// Linux wants the machine's own root for this. The driver's 500 trains of segments will do.
			continue
		}
		if err != nil {
			return fmt.Errorf("%s %s: %w", s.what, s.device, err)
		}
	}
	return nil
}

// sleepUntil is more exact than time.Sleep, whose timers may come a millisecond late: a large part of a round trip.
func sleepUntil(t time.Time) {
	for d := time.Until(t); d > 0; d = time.Until(t) {
		span := unix.NsecToTimespec(int64(d))
		// Interrupted by a signal, it is called again for what is left.
		_ = unix.Nanosleep(&span, nil)
	}
}
