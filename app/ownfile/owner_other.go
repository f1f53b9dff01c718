//go:build !unix

package ownfile

import "io/fs"

// NoWait has no effect on this system.
const NoWait = 0

// noFollow has no effect on this system.
const noFollow = 0

// Owner returns -1, because the user who owns a file is not known here.
func Owner(fs.FileInfo) int { return -1 }
