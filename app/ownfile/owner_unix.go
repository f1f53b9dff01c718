//go:build unix

package ownfile

import (
	"io/fs"
	"syscall"
)

// NoWait makes opening a pipe not wait for its other end. It has no effect on regular files.
const NoWait = syscall.O_NONBLOCK

// Owner returns the user who owns a file, or -1 if that is unknown.
const noFollow = syscall.O_NOFOLLOW

// Owner returns the user whose file it is; -1 when that is not known.
func Owner(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return -1
}
