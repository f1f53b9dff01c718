//go:build linux || windows

package proxy

import "net/netip"

// isLocal tells whether a client at local is on this machine.
func isLocal(client, local netip.Addr) bool {
	client, local = client.Unmap(), local.Unmap()
	return client.IsLoopback() || client == local || IsOwnAddress(client)
}
