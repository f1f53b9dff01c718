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

// ErrTaken tells that another Fairlead answers at the socket.
var ErrTaken = errors.New("another Fairlead answers at the control socket")

// maxPath is the longest path that every system takes for a socket, in bytes.
const maxPath = 103

// Listen opens the socket at path, for its owner only. What a program that crashed left there is replaced. A program that is alive keeps
// it (ErrTaken), unless replace: then it serves those who are connected, and new ones come here.
//
// Who connects is asked for, where the system tells: other users are turned away, except root.
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
	// Made under another name, it is private before anybody can find it, and takes the other's place at once.
	fresh := fmt.Sprintf("%s.%d", path, os.Getpid())
	if len(fresh) > maxPath || runtime.GOOS == "windows" { // which renames no sockets
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
		return s, nil // the directory's rights are the user's, and its sockets have none of their own
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

// makePrivate makes the folder of the control socket if need be, and lets none but owner into it. Another user's folder is an error.
func makePrivate(dir string, owner int) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the directory of the control socket: %w", err)
	}
	if runtime.GOOS == "windows" {
		return nil // its directories have other rights
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
	_ = conn.Close() // nothing was written
	return true
}

// socket is a listener that lets in its owner only, and goes with its file.
type socket struct {
	*net.UnixListener
	path  string
	owner int
	file  os.FileInfo // nil on Windows
	log   zerolog.Logger
}

// Accept returns the next connection of the same user or of root.
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
		s.log.Warn().Int("uid", uid).Err(err).Msg("another user at the control socket, turned away")
		_ = conn.Close() // it gets no other answer
	}
}

// Close stops listening, and removes the file unless another program has put its own there.
func (s *socket) Close() error {
	if now, err := os.Lstat(s.path); s.file == nil || err == nil && os.SameFile(now, s.file) {
		_ = os.Remove(s.path) // what is left is replaced by the next program
	}
	return s.UnixListener.Close()
}
