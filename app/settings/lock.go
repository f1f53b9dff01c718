package settings

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/adrg/xdg"
	"github.com/gofrs/flock"

	"fairlead/app/ownfile"
)

// lockTimeout bounds how long a change waits for other processes, whose changes take milliseconds.
const lockTimeout = 10 * time.Second

// Lock makes this process the user's only tray. ok is false if another one is. The lock is a file in the XDG runtime
// directory or, without one, in dir. It ends with release or with the process, however that ends.
func Lock(dir string) (release func(), ok bool, err error) {
	dir, err = runtimeDir(dir)
	if err != nil {
		return nil, false, err
	}
	lock := newLock(filepath.Join(dir, "tray.lock"))
	ok, err = lock.TryLock()
	if err != nil {
		return nil, false, fmt.Errorf("lock %s: %w", lock.Path(), err)
	}
	// The file is not removed: removing it could let two processes hold locks, on two files of the same name.
	return func() { _ = lock.Close() }, ok, nil
}

// Socket returns the path of the control socket, in the XDG runtime directory or, without one, in dir. It creates the
// directory.
func Socket(dir string) (string, error) {
	dir, err := runtimeDir(dir)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "control.sock"), nil
}

// runtimeDir returns the directory for files that last no longer than the user's session, or dir. Others who can write
// to the XDG runtime directory may have created ours before us; then it is not used.
func runtimeDir(dir string) (string, error) {
	if session := filepath.Join(xdg.RuntimeDir, "fairlead"); isDir(xdg.RuntimeDir) && os.MkdirAll(session, 0o700) == nil && isOwn(session) {
		return session, privateDir(session)
	}
	return dir, privateDir(dir)
}

// lockState waits for the lock on the state in dir, which processes hold while they change it.
func lockState(dir string) (release func(), err error) {
	ctx, cancel := context.WithTimeout(context.Background(), lockTimeout)
	defer cancel()
	lock := newLock(filepath.Join(dir, fileName+".lock"))
	if _, err := lock.TryLockContext(ctx, 5*time.Millisecond); err != nil {
		return nil, fmt.Errorf("lock %s: %w", lock.Path(), err)
	}
	return func() { _ = lock.Close() }, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir() && filepath.IsAbs(path)
}

// isOwn reports whether path is a directory of this user, and not a link to one. On Windows the profile's permissions
// keep others out.
func isOwn(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir() && (runtime.GOOS == "windows" || ownfile.Owner(info) == os.Getuid())
}

// newLock returns a lock between processes. If something else has the name of its file, such as a pipe, opening it does
// not block.
func newLock(path string) *flock.Flock {
	return flock.New(path, flock.SetPermissions(0o600), flock.SetFlag(os.O_CREATE|os.O_RDONLY|ownfile.NoWait))
}
