//go:build !unix

package shellenv

import "os/exec"

// ownSession does nothing, because no login shell is known on this system.
func ownSession(*exec.Cmd) {}
