package control

import "golang.org/x/sys/unix"

// socketUser returns the user of the process at the other end of a Unix socket.
func socketUser(fd int) (uid int, err error) {
	credentials, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return -1, err
	}
	return int(credentials.Uid), nil
}
