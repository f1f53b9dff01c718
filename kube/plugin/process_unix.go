//go:build unix

package plugin

import (
	"os/exec"
	"syscall"
)

// detach gives a plugin a session of its own, so that it has no terminal to ask on. It is told to end before it is
// killed. What it started is not: that may be the user's browser.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
}
