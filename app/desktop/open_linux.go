package desktop

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

var errNoDesktop = errors.New("there is no desktop: neither WAYLAND_DISPLAY nor DISPLAY is set")

// opener returns xdg-open, in a process group of its own so that a Ctrl-C at our terminal does not end the viewer.
func opener(path string) (*exec.Cmd, error) {
	if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		// xdg-open would open a browser in the terminal instead.
		return nil, errNoDesktop
	}
	xdgOpen, err := exec.LookPath("xdg-open")
	if err != nil {
		return nil, fmt.Errorf("xdg-open is not installed: %w", err)
	}
	cmd := exec.Command(xdgOpen, path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd, nil
}
