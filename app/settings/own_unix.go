//go:build unix

package settings

import (
	"io/fs"
	"os"
	"syscall"
)

// isOwn reports whether path is this user's own directory, and no link to one.
func isOwn(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir() && owner(info) == os.Getuid()
}

// owner returns the user whose file it is; -1 when that is not known.
func owner(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return -1
}
