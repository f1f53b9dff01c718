package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"

	"fairlead/app/ownfile"
)

// ErrUntrusted means that a control socket or its directory belongs to another user, or that another user could create
// one there. A shell runs what a program at the socket answers (`eval "$(fairlead env …)"`), so nothing is sent to it.
var ErrUntrusted = errors.New("the control socket cannot be trusted")

// checkFiles returns an error if the socket at path, or its directory, may not be owner's alone. It ignores a missing
// one.
func checkFiles(path string, owner int) error {
	if runtime.GOOS == "windows" {
		return nil // the profile's permissions keep others out
	}
	dir := filepath.Dir(path)
	folder, err := os.Stat(dir)
	if err != nil {
		return ignoreAbsent(err)
	}
	if err := checkOwn(dir, folder, owner); err != nil {
		return err
	}
	socket, err := os.Lstat(path)
	if err != nil {
		return ignoreAbsent(err)
	}
	return checkOwn(path, socket, owner)
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrUntrusted, err)
}

func checkOwn(path string, info fs.FileInfo, owner int) error {
	if uid := ownfile.Owner(info); uid != owner {
		return fmt.Errorf("%w: %s belongs to another user (uid %d)", ErrUntrusted, path, uid)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%w: %s can be written by other users", ErrUntrusted, path)
	}
	return nil
}

// checkPeer returns an error if another user's program is at the other end of a connection, where the system tells.
func checkPeer(conn net.Conn, owner int) error {
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return fmt.Errorf("%w: it is a %T", ErrUntrusted, conn)
	}
	uid, known, err := peer(unixConn)
	switch {
	case err != nil:
		return fmt.Errorf("%w: the user of the program that answers is unknown: %w", ErrUntrusted, err)
	case known && uid != owner:
		return fmt.Errorf("%w: a program of another user (uid %d) answers at it", ErrUntrusted, uid)
	}
	return nil
}
