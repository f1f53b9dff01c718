//go:build !windows

package desktop

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
)

var browserKinds = []browserKind{
	{"chromium", "Chromium", false, []string{"chromium", "chromium-browser", "/Applications/Chromium.app/Contents/MacOS/Chromium"}},
	{"chrome", "Chrome", false, []string{"google-chrome", "google-chrome-stable", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"}},
	{"edge", "Edge", false, []string{"microsoft-edge", "microsoft-edge-stable", "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge"}},
	{"brave", "Brave", false, []string{"brave-browser", "brave", "/Applications/Brave Browser.app/Contents/MacOS/Brave Browser"}},
	{"firefox", "Firefox", true, []string{"firefox", "firefox-esr", "/Applications/Firefox.app/Contents/MacOS/firefox"}},
}

// findProgram finds a name on the PATH, or a file where macOS has it, for one user or for all.
func findProgram(name string) (string, bool) {
	if !filepath.IsAbs(name) {
		path, err := exec.LookPath(name)
		return path, err == nil && filepath.IsAbs(path)
	}
	if runtime.GOOS != "darwin" {
		return "", false
	}
	home, _ := os.UserHomeDir()
	for _, path := range []string{name, filepath.Join(home, name)} {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, true
		}
	}
	return "", false
}

// inOwnGroup keeps a Ctrl-C at our terminal from a browser, and lets all of its processes be ended together.
func inOwnGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// endGroup ends a browser with its processes. Those that have gone already need no signal.
func endGroup(cmd *exec.Cmd, now bool) {
	signal := syscall.SIGTERM
	if now {
		signal = syscall.SIGKILL
	}
	_ = syscall.Kill(-cmd.Process.Pid, signal)
}
