//go:build unix

package shellenv

import (
	"errors"
	"os/exec"
	"syscall"
)

// ownSession gives a shell a session of its own, so that it cannot reach a terminal, and makes its end also end what it
// started.
func ownSession(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error {
		// Until the process is waited for, its number is not used again.
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		for range 3 { // a process may have started another meanwhile
			for _, pid := range sessionMembers(cmd.Process.Pid) {
				_ = syscall.Kill(pid, syscall.SIGKILL) // fails if it has ended by itself
			}
		}
		if errors.Is(err, syscall.ESRCH) {
			return nil // all have ended by themselves
		}
		return err
	}
}
