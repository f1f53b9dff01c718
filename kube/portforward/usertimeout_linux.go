package portforward

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unacknowledged is how long sent bytes may stay without the peer's acknowledgement before the connection counts as
// lost.
const unacknowledged = 20 * time.Second

// boundUnacknowledged sets TCP_USER_TIMEOUT (RFC 5482): keep-alives prove nothing while bytes are on their way.
func boundUnacknowledged(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unacknowledged/time.Millisecond)) // on failure the system's default applies
	})
}
