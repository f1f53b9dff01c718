package proxy

import "net/netip"

// orphaned says that no program has the socket open that is bound to from and connected to to. The kernel keeps such a
// socket for a while after its close.
func orphaned(from, to netip.AddrPort) bool {
	owner, err := socketOwner(from, to)
	return err == nil && owner.inode == 0
}
