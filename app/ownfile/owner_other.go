//go:build !unix

package ownfile

import "io/fs"

// NoWait would keep an opening from waiting.
const NoWait = 0

// noFollow would keep an opening from following a symbolic link.
const noFollow = 0

// Owner would return the user whose file it is; -1 since that is not known here.
func Owner(fs.FileInfo) int { return -1 }
