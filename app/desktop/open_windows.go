package desktop

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// opener opens a file through the Windows shell, without a command line that would need quoting.
func opener(path string) (*exec.Cmd, error) {
	rundll := filepath.Join(os.Getenv("SystemRoot"), "System32", "rundll32.exe")
	cmd := exec.Command(rundll, "url.dll,FileProtocolHandler", path)
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
	return cmd, nil
}
