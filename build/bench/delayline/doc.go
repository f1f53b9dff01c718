// Package delayline delays connections to a server of this machine: it holds the packets of a TUN device for half a
// round trip and sends them back with source and destination swapped, so that TCP's handshakes, windows and slow start
// are real. Address returns the address of the server at Home with a given round trip, whose milliseconds are the third
// octet. It runs in its own network namespace, with the rights of that namespace's root, on Linux.
//
// A line may have jitter, which is in the fourth octet: then each packet is held a little longer or shorter, so that
// round trips vary by as much, and the packets of one direction of a connection keep their order. The delays are drawn
// from a generator with a fixed seed.
//
// It does not emulate loss, reordering or limited rates.
package delayline

import (
	"fmt"
	"net/netip"
	"time"
)

// Home is the address on which servers listen to be reached through the line, and the source address of clients.
var Home = netip.AddrFrom4([4]byte{10, 99, 0, 1})

// Longest is the longest round trip that an address can have.
const Longest = 255 * time.Millisecond

// Address returns the address of Home with the round trip r, plus or minus jitter; both are truncated to milliseconds.
// It fails if r is more than Longest or less than a millisecond, for which Home itself is used, and if jitter is more
// than r.
func Address(r, jitter time.Duration) (netip.Addr, error) {
	if r < time.Millisecond || r > Longest {
		return netip.Addr{}, fmt.Errorf("no far address for a round trip of %s: allowed are 1 ms to %s", r, Longest)
	}
	if jitter < 0 || jitter > min(r, mostJitter) {
		return netip.Addr{}, fmt.Errorf("no far address for a jitter of %s: allowed are 0 to %s", jitter, min(r, mostJitter))
	}
	return netip.AddrFrom4([4]byte{10, 98, byte(r / time.Millisecond), noJitter + byte(jitter/time.Millisecond)}), nil
}

const (
	// noJitter is the fourth octet of an address without jitter.
	noJitter   = 1
	mostJitter = (255 - noJitter) * time.Millisecond
)
