package peer_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"fairlead/proxy/peer"
)

func TestPeerCheckByAddress(t *testing.T) {
	check, supported := peer.SameUser()
	if !supported {
		t.Fatal("not supported on this machine")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	client, local := conn.LocalAddr().(*net.TCPAddr).AddrPort(), ln.Addr().(*net.TCPAddr).AddrPort()
	if err := check(client, local); err != nil {
		t.Errorf("our own: %v", err)
	}
	var stranger *peer.Error
	if err := check(netip.AddrPortFrom(client.Addr(), 1), local); !errors.As(err, &stranger) || !errors.Is(err, syscall.ENOENT) {
		t.Errorf("nobody: %v", err)
	}
	if err := check(local, netip.AddrPortFrom(client.Addr(), 1)); !errors.As(err, &stranger) {
		t.Errorf("a listener: %v", err)
	}
	if err := check(netip.MustParseAddrPort("192.0.2.1:1000"), netip.MustParseAddrPort("192.0.2.2:1080")); err != nil {
		t.Errorf("another machine: %v", err)
	}
	if err := check(netip.MustParseAddrPort("[2001:db8::1]:1000"), netip.MustParseAddrPort("[2001:db8::2]:1080")); err != nil {
		t.Errorf("another machine: %v", err)
	}
}

// A socket that still waits for the far end to accept it is not the one at the far end of a connection.
func TestASocketThatIsNotConnectedYetIsNobodys(t *testing.T) {
	check, supported := peer.SameUser()
	if !supported {
		t.Fatal("not supported on this machine")
	}
	socket := func() int {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		return fd
	}
	address := func(fd int) netip.AddrPort {
		name, err := unix.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		in := name.(*unix.SockaddrInet4)
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), uint16(in.Port))
	}
	full := socket()
	if err := errors.Join(unix.Bind(full, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(full, 0)); err != nil {
		t.Fatal(err)
	}
	local := address(full)
	for range 5 { // the queue has room for one
		fd := socket()
		if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: local.Addr().As4(), Port: int(local.Port())}); err != nil && err != unix.EINPROGRESS {
			t.Fatal(err)
		}
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			t.Fatal(err)
		}
		if info.State == 2 { // SYN-SENT (net/tcp_states.h)
			if err := check(address(fd), local); !errors.Is(err, syscall.ENOENT) {
				t.Errorf("%v", err)
			}
			return
		}
	}
	t.Error("all were accepted")
}

// Whether a socket of a namespace is still open is asked by a socket that was opened in that namespace.
func TestSocketsThatNoProgramHasOpenHaveDeparted(t *testing.T) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		t.Fatal(err)
	}
	sockets, err := peer.SocketsOf(os.NewFile(uintptr(fd), "sock_diag"))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	conn, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept() // it stays open
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	client, local := conn.LocalAddr().(*net.TCPAddr).AddrPort(), ln.Addr().(*net.TCPAddr).AddrPort()
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if sockets.Departed(client, local) {
		t.Error("a client that has ended its direction only has departed")
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if !sockets.Departed(client, local) {
		t.Error("a client that has closed its connection has not departed")
	}
	if !sockets.Departed(netip.AddrPortFrom(client.Addr(), 1), local) {
		t.Error("a client that there never was has not departed")
	}
	if err := errors.Join(sockets.Close(), sockets.Close()); err != nil {
		t.Error(err)
	}
	if sockets.Departed(client, local) {
		t.Error("without its socket, it knows who has departed")
	}
}

func BenchmarkPeerCheck(b *testing.B) {
	check, _ := peer.SameUser()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	client, local := conn.LocalAddr().(*net.TCPAddr).AddrPort(), ln.Addr().(*net.TCPAddr).AddrPort()
	for b.Loop() {
		if err := check(client, local); err != nil {
			b.Fatal(err)
		}
	}
}
