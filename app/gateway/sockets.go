package gateway

import (
	"context"
	"net"
	"net/netip"
	"slices"

	"fairlead/app/settings"
)

// localPorts returns where a context listens besides its proxy: its fixed local ports, and its nameserver.
func localPorts(c settings.Context) []settings.Endpoint {
	return slices.Concat(c.Forwards(), c.Nameservers())
}

// sockets are those of a fixed local port. The zero value is not open.
type sockets struct {
	listener net.Listener
	packets  net.PacketConn // of a nameserver, at the same address
}

// listenLocally opens the sockets of a fixed local port.
func listenLocally(ctx context.Context, e settings.Endpoint) (sockets, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, network(e.Address), e.Address.String())
	if err != nil || !e.IsNameserver() {
		return sockets{listener: listener}, err
	}
	packets, err := config.ListenPacket(ctx, packetNetwork(e.Address), e.Address.String())
	if err != nil {
		_ = listener.Close()
		return sockets{}, err
	}
	return sockets{listener, packets}, nil
}

// packetNetwork is like network, for datagrams.
func packetNetwork(address netip.AddrPort) string {
	if address.Addr().Is4() {
		return "udp4"
	}
	return "udp"
}

func (s sockets) open() bool { return s.listener != nil }

func (s sockets) close() {
	if s.listener != nil {
		_ = s.listener.Close()
	}
	if s.packets != nil {
		_ = s.packets.Close()
	}
}
