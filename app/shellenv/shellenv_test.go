//go:build unix

package shellenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Word {
		if err := Print(os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// files are the files of a shell in the user's home, by the shell's name. Not all shells read the same files as login
// shells and as interactive ones, so each kind has a file.
var files = map[string]map[string]string{
	"bash": {".bash_profile": "echo login; export PATH=/opt/login:$PATH\n. ~/.bashrc\n", ".bashrc": "case $- in *i*) ;; *) return;; esac\necho 'hello there'\n%s"},
	"dash": {".profile": "echo login; export PATH=/opt/login:$PATH ENV=$HOME/.dashrc\n", ".dashrc": "%s"},
	"zsh":  {".zprofile": "echo login; export PATH=/opt/login:$PATH\n", ".zshrc": "%s"},
	"fish": {".config/fish/config.fish": "status is-login; and set -gx PATH /opt/login $PATH\nstatus is-interactive; or exit\n%s"},
}

// home creates a home directory with the files of a shell, with rc in the one that interactive shells read.
func home(t *testing.T, shell, rc string) (path string) {
	t.Helper()
	path, err := exec.LookPath(shell)
	if err != nil {
		t.Fatalf("%v: install the packages of build/desktoptest/packages.txt", err)
	}
	dir := t.TempDir()
	for name, text := range files[shell] {
		file := filepath.Join(dir, name)
		if strings.Contains(text, "%s") {
			text = fmt.Sprintf(text, rc)
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", dir)
	for _, name := range []string{"XDG_CONFIG_HOME", "XDG_DATA_HOME", "ZDOTDIR", "ENV", "BASH_ENV", "AWS_PROFILE", "KUBECONFIG"} {
		t.Setenv(name, "")
		os.Unsetenv(name)
	}
	t.Setenv("PATH", "/usr/bin:/bin")
	return path
}

// set returns a line that exports a variable, in a shell's language.
func set(shell, name, value string) string {
	if shell == "fish" {
		return fmt.Sprintf("set -gx %s %s\n", name, value)
	}
	return fmt.Sprintf("export %s=%s\n", name, value)
}

func TestLoginShellsTellWhatATerminalWouldHave(t *testing.T) {
	for shell := range files {
		t.Run(shell, func(t *testing.T) {
			path := home(t, shell, "echo noise\n"+set(shell, "AWS_PROFILE", "work")+set(shell, "KUBECONFIG", "/k1:/k2")+
				set(shell, "DISPLAY", ":99")+set(shell, "GOOGLE_ODD", "'a\nb=c \"d\"'")+set(shell, "EDITOR", "vi"))
			variables, err := Read(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, v := range variables {
				name, value, _ := strings.Cut(v, "=")
				got[name] = value
			}
			for name, want := range map[string]string{"AWS_PROFILE": "work", "KUBECONFIG": "/k1:/k2", "GOOGLE_ODD": "a\nb=c \"d\""} {
				if got[name] != want {
					t.Errorf("%s is %q, want %q", name, got[name], want)
				}
			}
			if !strings.HasPrefix(got["PATH"], "/opt/login:") || !strings.Contains(got["PATH"], "/usr/bin") {
				t.Errorf("PATH is %q", got["PATH"])
			}
			for _, name := range []string{"DISPLAY", "EDITOR", "HOME", "PWD", resolving, program, marking} {
				if value, there := got[name]; there {
					t.Errorf("%s=%s is taken over", name, value)
				}
			}
		})
	}
}

// loop returns a line that never ends and writes its process number to a file, as a process of its own.
func loop(file string) string {
	return fmt.Sprintf("/bin/sh -c 'echo $$ > %s; sleep 1000; :'\n", file)
}

func TestShellThatHangsIsEndedWithAllItStarted(t *testing.T) {
	for shell := range files {
		t.Run(shell, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "pid")
			path := home(t, shell, loop(file))
			began := time.Now()
			if _, err := Read(t.Context(), path); err == nil || !strings.Contains(err.Error(), "no answer within 3s") {
				t.Errorf("Read() = %v", err)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			wantGone(t, pid)
		})
	}
}

// wantGone waits until a process has ended.
func wantGone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if errors.Is(err, os.ErrNotExist) && syscall.Kill(pid, 0) != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	t.Errorf("process %d is still there", pid)
}

func TestProgramInTheBackgroundIsNotWaitedForAndLivesOn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	path := home(t, "bash", strings.TrimSuffix(loop(file), "\n")+" &\n"+set("bash", "AWS_PROFILE", "work")+
		"while [ ! -s "+file+" ]; do sleep 0.01; done\n")
	variables, err := Read(t.Context(), path)
	if err != nil || !strings.Contains(strings.Join(variables, "\n"), "AWS_PROFILE=work") {
		t.Errorf("%q, %v", variables, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("an agent that the user's files started is gone: %v", err)
	}
	group, err := syscall.Getpgid(pid)
	if err == nil && group != syscall.Getpgrp() {
		err = syscall.Kill(-group, syscall.SIGKILL)
	}
	if err != nil {
		t.Error(err)
	}
}

func TestShellsThatGiveNoAnswerAreErrors(t *testing.T) {
	path := home(t, "bash", "exit 3\n")
	if _, err := Read(t.Context(), path); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("a shell that exits: %v", err)
	}
	path = home(t, "bash", "exec true\n")
	if _, err := Read(t.Context(), path); err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("files that exec away: %v", err)
	}
	for _, shell := range []string{"/usr/sbin/nologin", "/bin/false", "/usr/bin/nu"} {
		if _, err := Read(t.Context(), shell); !errors.Is(err, ErrNoShell) {
			t.Errorf("%s: %v", shell, err)
		}
	}
	if _, err := Read(t.Context(), "/nowhere/bash"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a shell that is not there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Read(ctx, path); err == nil {
		t.Error("a cancelled context gives an answer")
	}
}

func TestFilesCanKnowThatThereIsNoTerminal(t *testing.T) {
	path := home(t, "bash", "[ -n \"$"+resolving+"\" ] || exec tmux\n"+set("bash", "AWS_PROFILE", "work"))
	if variables, err := Read(t.Context(), path); err != nil || !strings.Contains(strings.Join(variables, "\n"), "AWS_PROFILE=work") {
		t.Errorf("%q, %v", variables, err)
	}
}

func TestUsersShellIsFoundWithoutSHELL(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(file, []byte("root:x:0:0:root:/root:/bin/bash\nme:x:1000:1000:Me,,,:/home/me:/usr/bin/fish\nodd line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for uid, want := range map[int]string{0: "/bin/bash", 1000: "/usr/bin/fish", 1: ""} {
		if got := passwdShell(file, uid); got != want {
			t.Errorf("user %d has %q, want %q", uid, got, want)
		}
	}
	t.Setenv("SHELL", "/bin/zsh")
	if got := usersShell(); got != "/bin/zsh" {
		t.Errorf("got %q", got)
	}
}

func TestPoorIsWhatADesktopGives(t *testing.T) {
	for _, c := range []struct {
		environ []string
		want    bool
	}{
		{[]string{"PATH=/bin", "DISPLAY=:0"}, true}, {[]string{"TERM="}, true}, {[]string{"TERM=xterm-256color"}, false}, {[]string{"COLORTERM=1"}, true},
	} {
		if got := Minimal(c.environ); got != c.want {
			t.Errorf("%q: %t", c.environ, got)
		}
	}
}

func TestApplySaysWhatChanged(t *testing.T) {
	t.Setenv("AWS_ONE", "1")
	t.Setenv("AWS_TWO", "2")
	t.Setenv("AWS_THREE", "")
	os.Unsetenv("AWS_THREE")
	changed, err := Apply([]string{"AWS_TWO=two", "AWS_ONE=1", "AWS_THREE=a=b"})
	if err != nil || strings.Join(changed, " ") != "AWS_THREE AWS_TWO" || os.Getenv("AWS_THREE") != "a=b" {
		t.Errorf("%q, %v", changed, err)
	}
}

func TestUsualPathAddsFoldersThatAreThere(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	if err := os.MkdirAll(filepath.Join(dir, ".krew/bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	got := UsualPath("/bin:/usr/local/bin")
	if !strings.HasPrefix(got, "/bin:/usr/local/bin:") || strings.Count(got, "/usr/local/bin") != 1 || !strings.HasSuffix(got, filepath.Join(dir, ".krew/bin")) {
		t.Errorf("got %s", got)
	}
}
