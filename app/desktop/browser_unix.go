//go:build !windows

package desktop

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

var browserKinds = []browserKind{
	{"chromium", "Chromium", false, []string{"chromium", "chromium-browser", snapFolder + "chromium", flatpakFolder + "org.chromium.Chromium",
		"/Applications/Chromium.app/Contents/MacOS/Chromium"}},
	{"chrome", "Chrome", false, []string{"google-chrome", "google-chrome-stable", flatpakFolder + "com.google.Chrome",
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"}},
	{"edge", "Edge", false, []string{"microsoft-edge", "microsoft-edge-stable", flatpakFolder + "com.microsoft.Edge",
		"/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge"}},
	{"brave", "Brave", false, []string{"brave-browser", "brave", snapFolder + "brave", flatpakFolder + "com.brave.Browser",
		"/Applications/Brave Browser.app/Contents/MacOS/Brave Browser"}},
	{"firefox", "Firefox", true, []string{"firefox", "firefox-esr", snapFolder + "firefox", flatpakFolder + "org.mozilla.firefox",
		"/Applications/Firefox.app/Contents/MacOS/firefox"}},
}

// Where browsers are that are not in the PATH.
const (
	snapFolder     = "/snap/bin/"
	flatpakFolder  = "/var/lib/flatpak/exports/bin/"
	flatpaksOfUser = ".local/share/flatpak/exports/bin/" // relative to the home directory
)

// findProgram looks for a name in the PATH, and for an absolute one as a file of all users or of this one.
func findProgram(name string) (string, bool) {
	if !filepath.IsAbs(name) {
		path, err := exec.LookPath(name)
		return path, err == nil && filepath.IsAbs(path)
	}
	home, _ := os.UserHomeDir()
	own := filepath.Join(home, name) // a user's own applications on macOS
	if app, ok := strings.CutPrefix(name, flatpakFolder); ok {
		own = filepath.Join(home, flatpaksOfUser, app)
	}
	for _, path := range []string{name, own} {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, true
		}
	}
	return "", false
}

// inOwnGroup protects a browser from a Ctrl-C at our terminal, and makes it possible to end all of its processes.
func inOwnGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// endGroup ends a browser with its processes. Those that have ended already need no signal.
func endGroup(cmd *exec.Cmd, now bool) {
	signal := syscall.SIGTERM
	if now {
		signal = syscall.SIGKILL
	}
	_ = syscall.Kill(-cmd.Process.Pid, signal)
}
