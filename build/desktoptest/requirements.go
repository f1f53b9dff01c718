package desktoptest

import (
	_ "embed"
	"fmt"
	"os/exec"
	"strings"
)

//go:embed packages.txt
var packages string

// programs are what the packages of packages.txt are installed for.
var programs = []string{
	"Xvfb", "chromium", "curl", "dbus-daemon", "dunst", "dunstctl", "firefox-esr", "git", "import", "notify-send", "sway", "wl-copy", "wl-paste", "xclip", "xdotool", "xfce4-panel",
}

// Requirements are the Debian packages a desktop and its tests need, as listed in packages.txt.
func Requirements() []string { return strings.Fields(packages) }

// Missing says which programs are not on PATH and which one line installs them; it is nil when none is missing.
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
