//go:build unix

package ownfile

import (
	"io/fs"
	"syscall"
)

// NoWait keeps the opening of a pipe from waiting for its other end. Regular files do not know it.
const NoWait = syscall.O_NONBLOCK

// noFollow keeps an opening from following a symbolic link, which then is an error.
const noFollow = syscall.O_NOFOLLOW

// Owner returns the user whose file it is; -1 when that is not known.
func Owner(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return -1
}
