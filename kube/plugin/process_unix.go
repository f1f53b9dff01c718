//go:build unix

package plugin

import (
	"os/exec"
	"syscall"
)

// detach runs a plugin in a session of its own, so that it has no terminal. It is terminated before it is killed. Its
// child processes are not: one may be the user's browser.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
}
