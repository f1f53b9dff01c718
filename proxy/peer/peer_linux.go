package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The parts of the kernel's answer about the owner of a socket (linux/sock_diag.h, linux/inet_diag.h), in bytes.
const (
	sockDiagByFamily = 20
	diagRequestSize  = unix.NLMSG_HDRLEN + 56
	diagAnswerSize   = unix.NLMSG_HDRLEN + 72
	diagState        = unix.NLMSG_HDRLEN + 1
	diagUID          = unix.NLMSG_HDRLEN + 64
	diagInode        = unix.NLMSG_HDRLEN + 68
)

// States of a socket (net/tcp_states.h).
const (
	tcpEstablished = 1
	tcpSynSent     = 2
	tcpCloseWait   = 8 // the other end has ended its direction
	tcpListen      = 10
)

// diagPatience bounds the wait for the kernel, which normally answers within the call.
const diagPatience = time.Second

func sameUser() (func(client, local netip.AddrPort) error, bool) {
	self, overflow := uint32(os.Geteuid()), overflowUID()
	if !canTellOwners(self) {
		return func(netip.AddrPort, netip.AddrPort) error { return nil }, false
	}
	check := func(client, local netip.AddrPort) error {
		owner, err := sockets.owner(client, local)
		if err == nil && (owner.state == tcpListen || owner.state == tcpSynSent) {
			err = unix.ENOENT // another socket took the port, and is not connected to us: the client has gone
		}
		switch {
		case errors.Is(err, unix.ENOENT) && !isLocal(client.Addr(), local.Addr()):
			return nil // on another machine
		case err != nil:
			return &Error{Err: err}
		case owner.inode == 0:
			// Its program has closed the socket. In FIN-WAIT-2, and in other states with older kernels, the kernel then
			// reports user 0 for any owner. A socket that no program has open has no owner, not even root.
			return &Error{Err: errors.New("it has closed the connection already")}
		case owner.uid == overflow:
			return &Error{Err: errors.New("its user has no number in this user namespace")}
		case owner.uid != self && owner.uid != 0:
			return &Error{UID: owner.uid}
		}
		return nil
	}
	return check, true
}

// errEnded is the error for a client whose connection was reset before it was checked.
var errEnded = errors.New("it has ended the connection already")

// checkConnected returns nil if conn is still connected, at least on our side.
func checkConnected(conn net.Conn) error {
	held, ok := conn.(syscall.Conn)
	if !ok {
		return &Error{Err: errNoAddress}
	}
	raw, err := held.SyscallConn()
	if err != nil {
		return &Error{Err: err}
	}
	var info *unix.TCPInfo
	var infoErr error
	if err := raw.Control(func(fd uintptr) {
		info, infoErr = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}); err != nil {
		return &Error{Err: err}
	}
	switch {
	case infoErr != nil:
		return &Error{Err: infoErr}
	case info.State != tcpEstablished && info.State != tcpCloseWait:
		return &Error{Err: errEnded}
	}
	return nil
}

// orphaned reports whether no program has the socket open that is bound to from and connected to to. The kernel keeps such
// a socket for a while after its close.
func orphaned(from, to netip.AddrPort) bool {
	owner, err := sockets.owner(from, to)
	return err == nil && owner.inode == 0
}

// noUID is no user's number (setreuid(2)).
const noUID = ^uint32(0)

// overflowUID returns the number that stands for all users who have none in this process's user namespace, a container's
// perhaps, which may share the host's network and so see the sockets of all of its users. It returns noUID where every user
// has a number.
func overflowUID() uint32 {
	// Lines of a first number inside, the one outside, and how many.
	if uids, err := os.ReadFile("/proc/self/uid_map"); err == nil {
		fields := strings.Fields(string(uids))
		if len(fields) == 3 && fields[0] == "0" && fields[2] == strconv.FormatUint(uint64(noUID), 10) {
			return noUID
		}
	}
	text, err := os.ReadFile("/proc/sys/kernel/overflowuid")
	if err != nil {
		return defaultOverflowUID
	}
	uid, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err != nil {
		return defaultOverflowUID
	}
	return uint32(uid)
}

// defaultOverflowUID is the kernel's own choice (linux/highuid.h).
const defaultOverflowUID = 65534

// canTellOwners asks the kernel for the owner of a socket of our own. The kernel may lack the module, or a sandbox may
// forbid the request. A temporary failure, such as a lack of file descriptors, does not count, because it must not
// admit other users.
func canTellOwners(self uint32) bool {
	probe, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return true
	}
	defer func() { _ = probe.Close() }()
	owner, err := sockets.owner(probe.Addr().(*net.TCPAddr).AddrPort(), netip.AddrPortFrom(netip.IPv4Unspecified(), 0))
	if err == nil {
		return owner.uid == self
	}
	var code unix.Errno
	if !errors.As(err, &code) {
		return false
	}
	switch code {
	case unix.ENOENT, unix.EAFNOSUPPORT, unix.EPROTONOSUPPORT, unix.ENOSYS, unix.EPERM, unix.EACCES:
		return false
	}
	return true
}

// socketOf is the user that made a socket, its inode, which is 0 if no program has it open, and its state.
type socketOf struct {
	uid, inode uint32
	state      byte
}

// A diag is a netlink socket that reports the owners of sockets. It is kept open, because a process that can open no
// more files could not check its clients otherwise, and would turn all of them away.
type diag struct {
	mu    sync.Mutex
	fd    int
	open  bool
	other bool // of another namespace, in which this process can open no other socket
}

// sockets is the process's own.
var sockets diag

// owner asks the kernel for the socket that is bound to from and connected to to.
func (d *diag) owner(from, to netip.AddrPort) (socketOf, error) {
	// An IPv4 client may have an IPv6 socket, as in Java. Those are found as IPv4 too.
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	answer, err := d.ask(diagRequest(from, to))
	if err != nil {
		return socketOf{}, err
	}
	return diagAnswer(answer)
}

// ask sends one question and returns the kernel's answer to it. After a failure, an answer may still arrive, so the
// next question uses a new socket.
func (d *diag) ask(question []byte) (answer []byte, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.open {
		if d.other {
			return nil, net.ErrClosed
		}
		if d.fd, err = openDiag(); err != nil {
			return nil, err
		}
		d.open = true
	}
	defer func() {
		if err != nil {
			_ = unix.Close(d.fd)
			d.open = false
		}
	}()
	if err := unix.Sendto(d.fd, question, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("ask netlink: %w", err)
	}
	answer = make([]byte, 512)
	n, _, err := unix.Recvfrom(d.fd, answer, 0)
	if err != nil {
		return nil, fmt.Errorf("hear netlink: %w", err)
	}
	return answer[:n], nil
}

// Sockets are those of another network namespace.
type Sockets struct{ diag }

// SocketsOf returns the sockets of the network namespace in which a netlink socket of sock_diag(7) was opened, and takes it
// over.
func SocketsOf(netlink *os.File) (*Sockets, error) {
	defer func() { _ = netlink.Close() }()
	fd, err := unix.FcntlInt(netlink.Fd(), unix.F_DUPFD_CLOEXEC, 0) // without the poller, like the other sockets of this package
	if err != nil {
		return nil, err
	}
	if err := errors.Join(unix.SetNonblock(fd, false), boundDiag(fd)); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return &Sockets{diag{fd: fd, open: true, other: true}}, nil
}

// Departed reports whether no program has the socket open that is bound to from and connected to to.
func (s *Sockets) Departed(from, to netip.AddrPort) bool {
	owner, err := s.owner(from, to)
	return errors.Is(err, unix.ENOENT) || err == nil && owner.inode == 0
}

// Close releases what s holds.
func (s *Sockets) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.open {
		return nil
	}
	s.open = false
	return unix.Close(s.fd)
}

func openDiag() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, fmt.Errorf("open netlink: %w", err)
	}
	if err := boundDiag(fd); err != nil {
		_ = unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

// boundDiag bounds the wait for answers.
func boundDiag(fd int) error {
	wait := unix.NsecToTimeval(diagPatience.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		return fmt.Errorf("bound the wait for netlink: %w", err)
	}
	return nil
}

// diagRequest is an inet_diag_req_v2 for one socket by its four numbers.
func diagRequest(from, to netip.AddrPort) []byte {
	family := byte(unix.AF_INET)
	if from.Addr().Is6() {
		family = unix.AF_INET6
	}
	native := binary.NativeEndian
	b := make([]byte, 0, diagRequestSize)
	b = native.AppendUint32(b, diagRequestSize)
	b = native.AppendUint16(b, sockDiagByFamily)
	b = native.AppendUint16(b, unix.NLM_F_REQUEST)
	b = append(b, make([]byte, 8)...) // sequence and port, which a single question does not need
	b = append(b, family, unix.IPPROTO_TCP, 0, 0)
	b = native.AppendUint32(b, 0xffffffff) // in any state
	b = binary.BigEndian.AppendUint16(b, from.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	for _, ip := range []netip.Addr{from.Addr(), to.Addr()} {
		var field [16]byte
		copy(field[:], ip.AsSlice())
		b = append(b, field[:]...)
	}
	b = native.AppendUint32(b, 0)                            // on any interface
	return append(b, 255, 255, 255, 255, 255, 255, 255, 255) // with any cookie
}

func diagAnswer(b []byte) (socketOf, error) {
	native := binary.NativeEndian
	if len(b) < unix.NLMSG_HDRLEN+4 {
		return socketOf{}, errors.New("netlink said too little")
	}
	switch kind := native.Uint16(b[4:]); {
	case kind == unix.NLMSG_ERROR:
		code := -int32(native.Uint32(b[unix.NLMSG_HDRLEN:]))
		return socketOf{}, fmt.Errorf("netlink: %w", unix.Errno(code))
	case kind != sockDiagByFamily || len(b) < diagAnswerSize:
		return socketOf{}, errors.New("netlink said something else")
	}
	return socketOf{uid: native.Uint32(b[diagUID:]), inode: native.Uint32(b[diagInode:]), state: b[diagState]}, nil
}
