//go:build linux

package desktoptest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestIconComesBackAfterPanelRestart(t *testing.T) {
	d := Start(t, Options{Panel: true})
	d.Run(t, trayProgram)
	item := d.Tray(t, "trayprogram")
	item.WaitShown(t)
	d.StopPanel(t)
	if item.Shown() {
		t.Error("the icon is shown without a panel")
	}
	d.StartPanel(t)
	item.WaitShown(t)
	d.OpenMenu(t)
}

func TestDesktopsAreApart(t *testing.T) {
	a, b := Start(t, Options{}), Start(t, Options{})
	for _, name := range []string{"DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "HOME"} {
		if a.Getenv(name) == "" || a.Getenv(name) == b.Getenv(name) {
			t.Errorf("%s is %q and %q", name, a.Getenv(name), b.Getenv(name))
		}
	}
	copyText(t, a, "of a")
	if got := b.Clipboard(t); got != "" {
		t.Errorf("the other clipboard has %q", got)
	}
}

func TestClipboardIsReadBack(t *testing.T) {
	d := Start(t, Options{NoBus: true})
	copyText(t, d, "socks5h://127.0.0.1:1080 – ü")
}

// copyText copies text with a real program and waits until it can be pasted.
func copyText(t *testing.T, d *Desktop, text string) {
	t.Helper()
	d.Run(t, "xclip", "-quiet", "-selection", "clipboard", "-in", d.write(t, "copied", text))
	waitFor(t, "the clipboard", nil, func() bool { return d.Clipboard(t) == text })
}

func TestNothingIsLeftWhenTheTestEnds(t *testing.T) {
	var home string
	var running []string
	t.Run("desktop", func(t *testing.T) {
		d := Start(t, Options{Panel: true, Notifications: Dunst})
		d.Run(t, trayProgram)
		d.Tray(t, "trayprogram").WaitShown(t)
		home = d.Home()
		running = processesOf(t, home)
	})
	for _, name := range []string{"Xvfb", "dbus-daemon", "xfce4-panel", "xfconfd", "dunst", "trayprogram"} {
		if !slices.Contains(running, name) {
			t.Errorf("%s was not running: %q", name, running)
		}
	}
	waitFor(t, "all processes to end", nil, func() bool { return len(processesOf(t, home)) == 0 })
	if exists(home) {
		t.Errorf("%s is left", home)
	}
}

func TestNothingRunsOnWhenTheTestIsKilled(t *testing.T) {
	const marker = "DESKTOPTEST_HOLD"
	if os.Getenv(marker) != "" {
		d := Start(t, Options{Panel: true, Notifications: Dunst})
		d.Run(t, trayProgram)
		d.Tray(t, "trayprogram").WaitShown(t)
		fmt.Println(d.Home())
		select {}
	}

	// The killed process cannot remove it. Not t.TempDir, for the reason given at makeDirectories.
	dir, err := os.MkdirTemp("", "killed")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	self := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	self.Env = append(os.Environ(), marker+"=1", "TMPDIR="+dir)
	self.Stderr = os.Stderr
	stdout, err := self.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Start(); err != nil {
		t.Fatal(err)
	}
	line, readErr := bufio.NewReader(stdout).ReadString('\n')
	home := strings.TrimSpace(line)
	running := processesOf(t, home)
	if err := self.Process.Kill(); err != nil {
		t.Error(err)
	}
	// It was killed, so its error is expected.
	_ = self.Wait()
	if readErr != nil || !filepath.IsAbs(home) {
		t.Fatalf("the home directory is %q: %v", home, readErr)
	}
	if len(running) < 6 {
		t.Errorf("were running: %q", running)
	}
	waitFor(t, "all processes to end", func() string { return fmt.Sprint(processesOf(t, home)) }, func() bool {
		return len(processesOf(t, home)) == 0
	})
}

// processesOf returns the names of the processes whose home directory is home.
func processesOf(t *testing.T, home string) []string {
	t.Helper()
	if home == "" {
		return nil
	}
	environments, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range environments {
		env, err := os.ReadFile(path)
		if err != nil || !slices.Contains(strings.Split(string(env), "\x00"), "HOME="+home) {
			continue
		}
		// It may have ended by now.
		name, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "comm"))
		names = append(names, strings.TrimSpace(string(name)))
	}
	return names
}

func TestMissingProgramsComeWithTheLineThatInstallsThem(t *testing.T) {
	if err := Missing(); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	err := Missing()
	if err == nil {
		t.Fatal("nothing is missing on an empty PATH")
	}
	for _, part := range append([]string{"Xvfb", "apt-get install -y --no-install-recommends"}, Requirements()...) {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %q", part, err)
		}
	}
}
