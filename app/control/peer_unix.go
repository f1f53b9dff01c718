//go:build linux || darwin

package control

import "net"

// peer returns the user whose program connected.
func peer(conn *net.UnixConn) (uid int, known bool, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, true, err
	}
	var failure error
	err = raw.Control(func(fd uintptr) { uid, failure = socketUser(int(fd)) })
	if err == nil {
		err = failure
	}
	if err != nil {
		return -1, true, err
	}
	return uid, true, nil
}
