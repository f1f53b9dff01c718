package desktoptest

import (
	_ "embed"
	"fmt"
	"os/exec"
	"strings"
)

//go:embed packages.txt
var packages string

// programs lists the programs for which the packages of packages.txt are installed.
var programs = []string{
	"Xvfb", "chromium", "curl", "dbus-daemon", "dunst", "dunstctl", "firefox-esr", "git", "import", "notify-send", "sway", "wl-copy", "wl-paste", "xclip", "xdotool", "xfce4-panel",
}

// Requirements returns the Debian packages that a desktop and its tests need, as listed in packages.txt.
func Requirements() []string { return strings.Fields(packages) }

// Missing returns an error that names the programs that are not on PATH, with the command that installs them, or nil if
// none is missing.
func Missing() error {
	var absent []string
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			absent = append(absent, name)
		}
	}
	if absent == nil {
		return nil
	}
	return fmt.Errorf("missing on PATH: %s; install with: apt-get install -y --no-install-recommends %s",
		strings.Join(absent, " "), strings.Join(Requirements(), " "))
}
