//go:build linux

package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/build/testoutput"
)

// A demo is a running demo without a desktop.
type demo struct {
	cmd    *exec.Cmd
	temp   string // its TMPDIR
	stdout *bufio.Reader
	stderr *testoutput.Buffer
}

func startDemo(t *testing.T) *demo {
	t.Helper()
	bin := t.TempDir()
	program := filepath.Join(bin, "demo")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// t.TempDir would make the path of the control socket too long.
	temp, err := os.MkdirTemp("", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(temp) }) // fails if it is not empty, which the test has reported by then
	d := &demo{temp: temp, stderr: &testoutput.Buffer{}}
	d.cmd = exec.Command(program)
	d.cmd.Dir = filepath.Join("..", "..")
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); !slices.Contains([]string{"DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"}, name) {
			d.cmd.Env = append(d.cmd.Env, variable)
		}
	}
	d.cmd.Env = append(d.cmd.Env, "TMPDIR="+d.temp)
	d.cmd.Stderr = d.stderr
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.stdout = bufio.NewReader(stdout)
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return d
}

// lines returns the commands that the demo prints for pasting.
func (d *demo) lines(t *testing.T) []string {
	t.Helper()
	late := time.AfterFunc(10*time.Minute, func() { _ = d.cmd.Process.Kill() })
	defer late.Stop()
	var lines []string
	for {
		line, err := d.stdout.ReadString('\n')
		if err != nil {
			t.Fatalf("the demo ended before it was up: %v\n%s", err, d.stderr)
		}
		if command, ok := strings.CutPrefix(line, "  "); ok {
			lines = append(lines, strings.TrimSuffix(command, "\n"))
		}
		if strings.HasPrefix(line, "Ctrl-C here") {
			return lines
		}
	}
}

// interrupt sends SIGINT to the process group, as Ctrl-C does.
func (d *demo) interrupt(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(-d.cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(time.Minute, func() { _ = d.cmd.Process.Kill() })
	defer late.Stop()
	rest, _ := io.ReadAll(d.stdout) // until the demo ends
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C the demo ended with %v\n%s%s", err, rest, d.stderr)
	}
}

func TestEveryLineThatTheDemoPrintsWorks(t *testing.T) {
	d := startDemo(t)
	lines := d.lines(t)
	for _, want := range []string{"export PATH=", "fairlead status", "fairlead doctor demo", "fairlead env demo", "fairlead on ", "fairlead off ", "fairlead list", "fairlead logs", "curl "} {
		if !strings.Contains(strings.Join(lines, "\n"), want) {
			t.Errorf("no line has %q:\n%s", want, strings.Join(lines, "\n"))
		}
	}
	if said := d.stderr.String(); regexp.MustCompile(`(?i:D-Bus|error)|\bfairlead: `).MatchString(said) || !strings.Contains(said, "no desktop here") {
		t.Errorf("the demo says:\n%s", said)
	}
	// As they are pasted: in one shell, which continues after a command that fails.
	script := ""
	for _, line := range lines {
		script += line + "\necho \"status $?\"\n"
	}
	shell := exec.Command("bash")
	shell.Dir = t.TempDir()
	shell.Stdin = strings.NewReader(script)
	shell.Env = append(os.Environ(), "HOME="+shell.Dir, "XDG_STATE_HOME=", "XDG_CONFIG_HOME=")
	out, err := shell.CombinedOutput()
	said := string(out)
	if err != nil || strings.Count(said, "status 0\n") != len(lines) {
		t.Errorf("not every line ended with status 0: %v\n%s", err, said)
	}
	for _, want := range []string{
		"Fairlead runs in the foreground", "Hello from pod default/hello-", "Hello from pod team/app-", "is open after ", "demo-team  socks5h://127.0.0.1:", "listening",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("no line printed %q:\n%s", want, said)
		}
	}
	d.interrupt(t)
	left, err := os.ReadDir(d.temp)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(d.cmd.Path), "fairlead")); err != nil {
		t.Error(err)
	}
}

func TestAWrapperHandsOnWhatItIsGiven(t *testing.T) {
	dir := t.TempDir()
	program, script := filepath.Join(dir, "it's a program"), filepath.Join(dir, "fairlead")
	for path, text := range map[string]string{
		program: "#!/bin/sh\nprintf '%s|' \"$ODD\" \"$@\"\n",
		script:  wrapper(program, []string{`ODD=a 'quoted' $(reboot) "text"`}),
	} {
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(script, "on", "a b").CombinedOutput()
	if want := `a 'quoted' $(reboot) "text"|on|a b|`; err != nil || string(out) != want {
		t.Errorf("%s, %v", out, err)
	}
}
