package proxy

import (
	"fmt"
	"net/netip"
)

// A PeerError is a client that belongs to another user of this machine, or of whom that cannot be told.
type PeerError struct {
	UID uint32 // the user, when Err is nil
	Err error
}

func (e *PeerError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("whose client this is cannot be told: %v", e.Err)
	}
	return fmt.Sprintf("the client belongs to user %d", e.UID)
}

// Unwrap gives Err.
func (e *PeerError) Unwrap() error { return e.Err }

// SameUser returns a check for Config.Peer that lets in the clients of the user who runs this process and of root, and
// turns away those of the machine's other users with a *PeerError; and whether this system can tell. Where it cannot,
// the check lets everybody in. Clients on other machines are let in everywhere: Credentials and TLS are for them.
func SameUser() (check func(client, local netip.AddrPort) error, supported bool) { return sameUser() }
