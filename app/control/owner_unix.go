//go:build unix

package control

import (
	"io/fs"
	"syscall"
)

// fileOwner returns the user whose file it is; -1 when that is not known.
func fileOwner(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return -1
}
