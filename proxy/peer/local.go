//go:build linux || windows

package peer

import "net/netip"

// isLocal reports whether a client at local is on this machine.
func isLocal(client, local netip.Addr) bool {
	client, local = client.Unmap(), local.Unmap()
	return client.IsLoopback() || client == local || IsOwnAddress(client)
}
