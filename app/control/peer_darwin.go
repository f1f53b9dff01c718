package control

import (
	"net"

	"golang.org/x/sys/unix"
)

// peer tells which user's program connected.
func peer(conn *net.UnixConn) (uid int, known bool, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, true, err
	}
	var credentials *unix.Xucred
	var failure error
	err = raw.Control(func(fd uintptr) {
		credentials, failure = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	})
	if err == nil {
		err = failure
	}
	if err != nil {
		return -1, true, err
	}
	return int(credentials.Uid), true, nil
}
