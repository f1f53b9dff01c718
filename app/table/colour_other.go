//go:build !windows

package table

import "os"

// enableColour reports whether a terminal understands escape codes.
func enableColour(*os.File) bool { return true }
