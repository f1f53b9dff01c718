package capture

import (
	"cmp"
	"errors"
	"io"
	"sync"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// maxPacket is the largest IP packet.
const maxPacket = 65535

// A link is the stack's side of a device: packets without a link layer.
type link struct {
	device io.ReadWriteCloser
	mtu    uint32
	filter func(packet []byte) bool // handles packets that the stack must not see

	mutex      sync.RWMutex
	dispatcher stack.NetworkDispatcher
}

// errDevice is the error for a device that ended by itself.
var errDevice = errors.New("the device was closed")

// read hands the device's packets to the stack until the device fails.
func (l *link) read() error {
	p := make([]byte, maxPacket)
	for {
		n, err := l.device.Read(p)
		if err != nil {
			return err
		}
		if n == 0 {
			return errDevice
		}
		l.deliver(p[:n])
	}
}

// deliver hands a packet, which may be anything, to the stack.
func (l *link) deliver(p []byte) {
	l.mutex.RLock()
	dispatcher := l.dispatcher
	l.mutex.RUnlock()
	protocol, ok := protocolOf(p)
	if !ok || dispatcher == nil || l.filter(p) {
		return
	}
	packet := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(p)})
	defer packet.DecRef()
	dispatcher.DeliverNetworkPacket(protocol, packet)
}

func protocolOf(p []byte) (tcpip.NetworkProtocolNumber, bool) {
	if len(p) == 0 {
		return 0, false
	}
	switch p[0] >> 4 {
	case 4:
		return ipv4.ProtocolNumber, true
	case 6:
		return ipv6.ProtocolNumber, true
	}
	return 0, false
}

// send writes a packet to the device. If that fails, the packet is lost, as on any network.
func (l *link) send(p []byte) {
	if len(p) > 0 {
		_, _ = l.device.Write(p)
	}
}

// WritePackets implements stack.LinkWriter.
func (l *link) WritePackets(packets stack.PacketBufferList) (int, tcpip.Error) {
	for i, p := range packets.AsSlice() {
		view := p.ToView()
		_, err := l.device.Write(view.AsSlice())
		view.Release()
		if err != nil {
			return i, &tcpip.ErrClosedForSend{}
		}
	}
	return packets.Len(), nil
}

// Attach implements stack.LinkEndpoint.
func (l *link) Attach(dispatcher stack.NetworkDispatcher) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.dispatcher = dispatcher
}

// IsAttached implements stack.LinkEndpoint.
func (l *link) IsAttached() bool {
	l.mutex.RLock()
	defer l.mutex.RUnlock()
	return l.dispatcher != nil
}

// MTU implements stack.LinkEndpoint.
func (l *link) MTU() uint32 { return cmp.Or(l.mtu, header.IPv6MinimumMTU) }

// Capabilities implements stack.LinkEndpoint. Checksums are computed by the kernel on the device's other side, which
// hands over none that are incomplete.
func (l *link) Capabilities() stack.LinkEndpointCapabilities {
	return stack.CapabilityRXChecksumOffload
}

// The methods below do nothing, because the device has no link layer.

// SetMTU implements stack.LinkEndpoint.
func (l *link) SetMTU(uint32) {}

// MaxHeaderLength implements stack.LinkEndpoint.
func (l *link) MaxHeaderLength() uint16 { return 0 }

// LinkAddress implements stack.LinkEndpoint.
func (l *link) LinkAddress() tcpip.LinkAddress { return "" }

// SetLinkAddress implements stack.LinkEndpoint.
func (l *link) SetLinkAddress(tcpip.LinkAddress) {}

// Wait implements stack.LinkEndpoint.
func (l *link) Wait() {}

// ARPHardwareType implements stack.LinkEndpoint.
func (l *link) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }

// AddHeader implements stack.LinkEndpoint.
func (l *link) AddHeader(*stack.PacketBuffer) {}

// ParseHeader implements stack.LinkEndpoint.
func (l *link) ParseHeader(*stack.PacketBuffer) bool { return true }

// Close implements stack.LinkEndpoint. The device is the Net's.
func (l *link) Close() {}

// SetOnCloseAction implements stack.LinkEndpoint.
func (l *link) SetOnCloseAction(func()) {}
