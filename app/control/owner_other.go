//go:build !unix

package control

import "io/fs"

// fileOwner would return the user whose file it is.
func fileOwner(fs.FileInfo) int { return -1 }
