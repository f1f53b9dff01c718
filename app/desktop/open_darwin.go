package desktop

import (
	"os/exec"
	"syscall"
)

// opener is macOS's own.
func opener(path string) (*exec.Cmd, error) {
	cmd := exec.Command("/usr/bin/open", path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd, nil
}
