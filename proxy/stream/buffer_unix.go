//go:build unix

package stream

import (
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// waitReadable waits for a TCP connection by its file descriptor.
func waitReadable(src io.Reader) func() {
	tcp, ok := src.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	readable := func(fd uintptr) bool {
		poll := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll[:], 0)
		return n != 0 || err != nil // the read returns the error
	}
	return func() { _ = raw.Read(readable) }
}
