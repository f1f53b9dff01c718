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
	deviceQueue = 20000 // packets; more than the TCP windows allow, so that none are lost
	offloads    = unix.TUN_F_CSUM | unix.TUN_F_TSO4
)

// Open creates the device of the line in the network namespace of this process and configures it: Home on it, the far
// addresses behind it, packets of mtu bytes. The namespace must not have such a device yet. Open also brings up the
// loopback device. An error says what is missing: the TUN driver, its device file, or the right to use them.
func Open(mtu int) (*os.File, error) {
	fd, err := openDriver()
	if err != nil {
		return nil, err
	}
	if err := setUp(fd, mtu); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	// Not earlier: the driver cannot be polled before it is attached, and os.NewFile would block a thread for each
	// read.
	return os.NewFile(uintptr(fd), deviceName), nil
}

const driver = "/dev/net/tun"

// openDriver opens the TUN driver. If its device file is missing or not accessible, it makes one of its own, which
// needs root.
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
	defer func() { _ = os.RemoveAll(dir) }()
	own := filepath.Join(dir, "tun")
	if mkErr := unix.Mknod(own, unix.S_IFCHR|0o600, int(unix.Mkdev(10, 200))); mkErr != nil {
		return -1, fmt.Errorf("%w, and none can be made: %w; what is missing is the TUN device file: as root, "+
			"mkdir -p /dev/net; mknod %s c 10 200; chmod 666 %[3]s", err, mkErr, driver)
	}
	fd, ownErr := unix.Open(own, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if ownErr != nil {
		return -1, fmt.Errorf("%w, and a new one: %w; what is missing is the kernel's TUN driver: as root, modprobe tun", err, ownErr)
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

// configure assigns the addresses of the namespace's devices and brings them up.
func configure(mtu int) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(socket) }()
	up := func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil }
	// The netmask puts 10.98.0.0/16 on the same network as Home, which implies the route to it with Home as the source.
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
			// Linux allows this for the machine's root only. The driver's default of 500 packets is enough.
			continue
		}
		if err != nil {
			return fmt.Errorf("%s %s: %w", s.what, s.device, err)
		}
	}
	return nil
}

// sleepUntil sleeps more precisely than time.Sleep, whose timers may be a millisecond late, a large part of a round
// trip.
func sleepUntil(t time.Time) {
	for d := time.Until(t); d > 0; d = time.Until(t) {
		span := unix.NsecToTimespec(int64(d))
		// If a signal interrupts it, it is called again for the rest.
		_ = unix.Nanosleep(&span, nil)
	}
}
