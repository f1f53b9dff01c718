package peer_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"fairlead/proxy/peer"
)

func TestPeerCheckByAddress(t *testing.T) {
	check, supported := peer.SameUser()
	if !supported {
		t.Fatal("not supported on this machine")
	}
	for _, address := range []string{"127.0.0.1:0", "[::]:0"} {
		ln, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = ln.Close() }()
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		client, local := conn.LocalAddr().(*net.TCPAddr).AddrPort(), conn.RemoteAddr().(*net.TCPAddr).AddrPort()
		if err := check(client, local); err != nil {
			t.Errorf("our own at %s: %v", address, err)
		}
		var stranger *peer.Error
		if err := check(netip.AddrPortFrom(client.Addr(), 1), local); !errors.As(err, &stranger) {
			t.Errorf("nobody at %s: %v", address, err)
		}
	}
	if err := check(netip.MustParseAddrPort("192.0.2.1:1000"), netip.MustParseAddrPort("192.0.2.2:1080")); err != nil {
		t.Errorf("another machine: %v", err)
	}
}
