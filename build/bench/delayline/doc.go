// Package delayline makes a server of this machine stand far away: a TUN device whose packets are held for half a round
// trip and then turned round, so that TCP's handshakes, windows and slow start are real. Address(R) is the server at
// Home, R away; the third octet of the far address is R in milliseconds. It runs in a network namespace of its own,
// with the rights of that namespace's root, on Linux.
//
// A line may have jitter, which the fourth octet holds: then each packet is held a little longer or shorter, so that round
// trips vary by as much, and the packets of one direction of a connection keep their order, as on any one road. Which is
// held for how long is drawn by a generator that every line seeds alike.
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

// Address returns where Home is reached with the round trip r, give or take the jitter; both are cut to whole milliseconds.
// It fails for more than Longest and less than a millisecond (Home itself is there for that), and for more jitter than
// there is round trip.
func Address(r, jitter time.Duration) (netip.Addr, error) {
	if r < time.Millisecond || r > Longest {
		return netip.Addr{}, fmt.Errorf("no far address for a round trip of %s: there is 1 ms to %s", r, Longest)
	}
	if jitter < 0 || jitter > min(r, mostJitter) {
		return netip.Addr{}, fmt.Errorf("no far address for a jitter of %s: there is 0 to %s", jitter, min(r, mostJitter))
	}
	return netip.AddrFrom4([4]byte{10, 98, byte(r / time.Millisecond), noJitter + byte(jitter/time.Millisecond)}), nil
}

const (
	// noJitter is the fourth octet without jitter.
	noJitter   = 1
	mostJitter = (255 - noJitter) * time.Millisecond
)
