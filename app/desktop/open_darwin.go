package desktop

import (
	"os/exec"
	"syscall"
)

// opener returns the command that opens a file on macOS.
func opener(path string) (*exec.Cmd, error) {
	cmd := exec.Command("/usr/bin/open", path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd, nil
}
