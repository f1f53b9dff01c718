//go:build !linux

package portforward

import "syscall"

// boundUnacknowledged does nothing: only Linux has TCP_USER_TIMEOUT.
func boundUnacknowledged(_, _ string, _ syscall.RawConn) error { return nil }
