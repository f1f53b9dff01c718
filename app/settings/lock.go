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

// Lock makes this process the user's one tray: ok is false if another one is it already. The lock is a file in the XDG runtime
// directory or, where there is none, in dir. It ends with release or with the process, however that ends.
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
	// The file stays: removing it would let two processes hold a lock each, on two files of one name.
	return func() { _ = lock.Close() }, ok, nil
}

// Socket is the path of the control socket: in the XDG runtime directory or, where there is none, in dir. The directory is made.
func Socket(dir string) (string, error) {
	dir, err := runtimeDir(dir)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "control.sock"), nil
}

// runtimeDir is the directory for what lives no longer than the user's session, or dir. Where others can write in the XDG
// runtime directory, one of them may have made ours first: that is left alone.
func runtimeDir(dir string) (string, error) {
	if session := filepath.Join(xdg.RuntimeDir, "fairlead"); isDir(xdg.RuntimeDir) && os.MkdirAll(session, 0o700) == nil && isOwn(session) {
		return session, privateDir(session)
	}
	return dir, privateDir(dir)
}

// lockState waits its turn among the processes that change the state in dir.
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

// isOwn reports whether path is this user's own directory, and no link to one. On Windows the profile's rights keep others out.
func isOwn(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir() && (runtime.GOOS == "windows" || ownfile.Owner(info) == os.Getuid())
}

// newLock returns a lock between processes. What stands in its file's place, such as a pipe, does not hold up its opening.
func newLock(path string) *flock.Flock {
	return flock.New(path, flock.SetPermissions(0o600), flock.SetFlag(os.O_CREATE|os.O_RDONLY|ownfile.NoWait))
}
