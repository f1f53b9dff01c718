//go:build !linux

package portforward

import "syscall"

func boundUnacknowledged(_, _ string, _ syscall.RawConn) error { return nil }
