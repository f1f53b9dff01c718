package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/rs/zerolog"

	"fairlead/app/ownfile"
)

// ErrTaken means that another Fairlead serves the socket.
var ErrTaken = errors.New("another Fairlead answers at the control socket")

// maxPath is the length of the longest socket path that every system accepts, in bytes.
const maxPath = 103

// Listen opens the socket at path, for its owner only. It replaces a socket left behind by a program that crashed. If a
// live program serves the socket, Listen returns ErrTaken, unless replace is set: then that program keeps its open
// connections, and new ones come to the new listener.
//
// Where the system tells who connects, connections of other users are closed, except root's.
func Listen(path string, replace bool, log zerolog.Logger) (net.Listener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("the path of the control socket is longer than the %d bytes that systems take: %s", maxPath, path)
	}
	if err := makePrivate(filepath.Dir(path), os.Getuid()); err != nil {
		return nil, err
	}
	if !replace && answers(path) {
		return nil, ErrTaken
	}
	// The socket is created under another name, so that it is private before anyone can find it, and replaces the old
	// one atomically.
	fresh := fmt.Sprintf("%s.%d", path, os.Getpid())
	if len(fresh) > maxPath || runtime.GOOS == "windows" { // Windows cannot rename sockets
		fresh = path
	}
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	ln.SetUnlinkOnClose(false)
	s := &socket{UnixListener: ln, path: path, owner: os.Getuid(), log: log}
	if runtime.GOOS == "windows" {
		return s, nil // sockets have no permissions there, but the directory is the user's
	}
	err = os.Chmod(fresh, 0o600)
	if err == nil && fresh != path {
		err = os.Rename(fresh, path)
	}
	if err == nil {
		s.file, err = os.Lstat(path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the control socket: %w", err), ln.Close(), os.Remove(fresh))
	}
	return s, nil
}

// makePrivate creates the directory of the control socket if necessary, and makes it accessible only to owner. It fails
// if the directory belongs to another user.
func makePrivate(dir string, owner int) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the directory of the control socket: %w", err)
	}
	if runtime.GOOS == "windows" {
		return nil // directories have no such permissions there
	}
	info, err := os.Stat(dir)
	if err == nil && ownfile.Owner(info) == owner && info.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(dir, 0o700); err != nil {
			return fmt.Errorf("make the directory of the control socket private: %w", err)
		}
		info, err = os.Stat(dir)
	}
	if err != nil {
		return fmt.Errorf("make the directory of the control socket: %w", err)
	}
	return checkOwn(dir, info, owner)
}

// answers reports whether a program of this user listens at path.
func answers(path string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := dial(ctx, path, os.Getuid())
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// socket is a listener that accepts only its owner's connections, and removes its file when it is closed.
type socket struct {
	*net.UnixListener
	path  string
	owner int
	file  os.FileInfo // nil on Windows
	log   zerolog.Logger
}

// Accept returns the next connection of the owner or of root.
func (s *socket) Accept() (net.Conn, error) {
	for {
		conn, err := s.AcceptUnix()
		if err != nil {
			return nil, err
		}
		uid, known, err := peer(conn)
		if err == nil && (!known || uid == s.owner || uid == 0) {
			return conn, nil
		}
		s.log.Warn().Int("uid", uid).Err(err).Msg("control connection of another user closed")
		_ = conn.Close()
	}
}

// Close stops listening, and removes the file unless another program has replaced it.
func (s *socket) Close() error {
	if now, err := os.Lstat(s.path); s.file == nil || err == nil && os.SameFile(now, s.file) {
		_ = os.Remove(s.path) // the next program replaces it
	}
	return s.UnixListener.Close()
}
