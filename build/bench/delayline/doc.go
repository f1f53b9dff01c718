// Package delayline makes a server of this machine stand far away: a TUN device whose packets are held for half a round
// trip and then turned round, so that TCP's handshakes, windows and slow start are real. Address(R) is the server at
// Home, R away; the third octet of the far address is R in milliseconds. It runs in a network namespace of its own,
// with the rights of that namespace's root, on Linux.
//
// It is not a network emulator: nothing is lost, reordered or limited in rate.
package delayline

import (
	"fmt"
	"net/netip"
	"time"
)

// Home is the address that servers listen on to be reached through the line, and that clients are seen to come from.
var Home = netip.AddrFrom4([4]byte{10, 99, 0, 1})

// Longest is the longest round trip there is an address for.
const Longest = 255 * time.Millisecond

// Address is where Home is reached with the round trip r, which is cut to whole milliseconds. It fails above Longest
// and for less than a millisecond: that is no line, and Home itself is there for it.
func Address(r time.Duration) (netip.Addr, error) {
	if r < time.Millisecond || r > Longest {
		return netip.Addr{}, fmt.Errorf("no far address for a round trip of %s: there is 1 ms to %s", r, Longest)
	}
	return netip.AddrFrom4([4]byte{10, 98, byte(r / time.Millisecond), 1}), nil
}
