package desktop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// terminals are the programs that open a terminal window, in the order in which they are tried: the user's choice,
// those of the desktop, and others. before is what precedes the command that they run.
var terminals = []struct {
	program string
	before  []string
	desktop string // in XDG_CURRENT_DESKTOP; empty for any
}{
	{"xdg-terminal-exec", nil, ""},
	{"gnome-terminal", []string{"--"}, "GNOME"},
	{"kgx", []string{"--"}, "GNOME"},
	{"konsole", []string{"-e"}, "KDE"},
	{"xfce4-terminal", []string{"-x"}, "XFCE"},
	{"x-terminal-emulator", []string{"-e"}, ""}, // the choice of Debian's alternatives
	{"gnome-terminal", []string{"--"}, ""},
	{"konsole", []string{"-e"}, ""},
	{"xfce4-terminal", []string{"-x"}, ""},
	{"kitty", []string{"--"}, ""},
	{"alacritty", []string{"-e"}, ""},
	{"foot", []string{"--"}, ""},
	{"wezterm", []string{"start", "--"}, ""},
	{"xterm", []string{"-e"}, ""},
}

var errNoTerminal = errors.New("no program was found that opens a terminal window, such as xterm or gnome-terminal")

// HasTerminal reports whether OpenTerminal can open a terminal window.
func HasTerminal() bool {
	_, _, err := terminal()
	return err == nil
}

// terminal returns the path of a terminal, and what precedes the command that it runs.
func terminal() (path string, before []string, err error) {
	if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		return "", nil, errNoDesktop
	}
	for _, t := range terminals {
		if t.desktop != "" && !strings.Contains(os.Getenv("XDG_CURRENT_DESKTOP"), t.desktop) {
			continue
		}
		if path, err := exec.LookPath(t.program); err == nil {
			return path, t.before, nil
		}
	}
	return "", nil, errNoTerminal
}

// OpenTerminal opens a terminal window that runs a command without a shell. It returns when the terminal has been
// started and has not failed within some seconds. ctx bounds that wait and does not end the terminal.
func OpenTerminal(ctx context.Context, command ...string) error {
	path, before, err := terminal()
	if err != nil {
		return err
	}
	cmd := exec.Command(path, append(before[:len(before):len(before)], command...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if home, err := os.UserHomeDir(); err == nil {
		cmd.Dir = home
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("open a terminal: %w", err)
	}
	if err := waitBriefly(ctx, cmd); err != nil {
		return fmt.Errorf("open a terminal (%s): %w", path, err)
	}
	return nil
}
