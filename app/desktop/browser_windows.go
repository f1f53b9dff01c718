package desktop

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

var browserKinds = []browserKind{
	{"chromium", "Chromium", false, []string{`Chromium\Application\chrome.exe`}},
	{"chrome", "Chrome", false, []string{`Google\Chrome\Application\chrome.exe`}},
	{"edge", "Edge", false, []string{`Microsoft\Edge\Application\msedge.exe`}},
	{"brave", "Brave", false, []string{`BraveSoftware\Brave-Browser\Application\brave.exe`}},
	{"firefox", "Firefox", true, []string{`Mozilla Firefox\firefox.exe`}},
}

// findProgram looks for a program in the directories in which Windows has those of all users, and of this user.
func findProgram(name string) (string, bool) {
	for _, variable := range []string{"ProgramFiles", "ProgramFiles(x86)", "LocalAppData"} {
		dir := os.Getenv(variable)
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); dir != "" && err == nil && info.Mode().IsRegular() {
			return path, true
		}
	}
	return "", false
}

// profileFolder returns "", the system's temporary directory: browsers are not confined here.
func profileFolder(Browser) (string, error) { return "", nil }

func inOwnGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// endGroup ends a browser's first process, which ends the others.
func endGroup(cmd *exec.Cmd, _ bool) { _ = cmd.Process.Kill() }
