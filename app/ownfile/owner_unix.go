//go:build unix

package ownfile

import (
	"io/fs"
	"syscall"
)

// NoWait makes opening a pipe not wait for its other end. It has no effect on regular files.
const NoWait = syscall.O_NONBLOCK

// noFollow makes opening a symbolic link an error.
const noFollow = syscall.O_NOFOLLOW

// Owner returns the user who owns a file, or -1 if that is unknown.
func Owner(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return -1
}
