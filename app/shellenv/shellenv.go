// Package shellenv gives a program that a desktop started the environment that it would have in a terminal, as set up
// by the user's login shell. Its PATH is needed to find credential plugins, and its KUBECONFIG to find kubeconfigs.
//
// The shell runs once, as an interactive login shell, and starts this program to print its environment. Whatever the
// user's files print or do, only the text between two marks counts. The shell gets no terminal and little time, and is
// killed with everything it started when that is over. Only the variables that Wanted names are applied.
package shellenv

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Within bounds how long the shell may take.
const Within = 3 * time.Second

// maxOutput bounds what is read from the shell, in bytes.
const maxOutput = 4 << 20

// Word is the first argument that makes this program call Print instead of doing anything else.
const Word = "print-environment"

// The variables that tell the shell, and the program that it starts, what this is about. A user's files can check the
// first one, to skip what is useless without a terminal.
const (
	resolving = "FAIRLEAD_RESOLVING_ENVIRONMENT"
	program   = "FAIRLEAD_PROGRAM"
	marking   = "FAIRLEAD_MARK"
)

// ErrNoShell means that no login shell is known that can be used.
var ErrNoShell = errors.New("no login shell that can be used")

// Print writes the environment between two marks. The program calls it when it is started with Word.
func Print(out io.Writer) error {
	mark := os.Getenv(marking)
	var text bytes.Buffer
	text.WriteString(mark)
	for _, variable := range os.Environ() {
		if strings.HasPrefix(variable, marking+"=") {
			continue // it would end the text early
		}
		text.WriteString(variable)
		text.WriteByte(0)
	}
	text.WriteString(mark)
	_, err := out.Write(text.Bytes())
	return err
}

// Minimal reports whether an environment looks like a desktop's rather than a terminal's.
func Minimal(environ []string) bool {
	return runtime.GOOS != "windows" && !slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, "TERM=") && v != "TERM=" })
}

// Read runs a login shell and returns its variables that are to be applied, each as NAME=value. An empty shell stands
// for the user's own. Read returns little later than Within, or when ctx ends, and leaves no process behind. It returns
// ErrNoShell if there is no shell.
func Read(ctx context.Context, shell string) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	if shell == "" {
		shell = usersShell()
	}
	flags, err := flagsOf(shell)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, Within)
	defer cancel()
	mark := rand.Text()
	// Nothing in the command depends on names, so the quoting rules of the shell do not matter.
	cmd := exec.CommandContext(ctx, shell, append(flags, `exec "$`+program+`" `+Word)...)
	cmd.Env = append(os.Environ(), resolving+"=1", program+"="+self, marking+"="+mark)
	if home, err := os.UserHomeDir(); err == nil {
		cmd.Dir = home
	}
	text, err := output(ctx, cmd, []byte(mark))
	if err != nil {
		return nil, fmt.Errorf("ask %s for its environment: %w", shell, err)
	}
	var wanted []string
	for variable := range strings.SplitSeq(string(text), "\x00") {
		if name, _, ok := strings.Cut(variable, "="); ok && Wanted(name) {
			wanted = append(wanted, variable)
		}
	}
	slices.Sort(wanted)
	return wanted, nil
}

// output runs a shell and returns what it prints between the marks. A background program from the user's files may hold
// the shell's output open, and is not waited for.
func output(ctx context.Context, cmd *exec.Cmd, mark []byte) ([]byte, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = write
	ownSession(cmd)
	if err := errors.Join(cmd.Start(), write.Close()); err != nil {
		return nil, errors.Join(err, read.Close())
	}
	found := make(chan []byte, 1)
	go func() {
		defer close(found)
		if text, ok := between(read, mark); ok {
			found <- text
		}
	}()
	var text []byte
	var ok bool
	select {
	case text, ok = <-found:
	case <-ctx.Done():
	}
	err = cmd.Wait()
	_ = read.Close() // ends the goroutine, if it still reads
	if !ok {
		text, ok = <-found
	}
	switch {
	case ok:
		return text, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("no answer within %s", Within)
	case err != nil:
		return nil, err
	}
	return nil, errors.New("no answer")
}

// between reads up to a second mark, and returns the text between the two.
func between(in io.Reader, mark []byte) ([]byte, bool) {
	var all []byte
	chunk := make([]byte, 32<<10)
	for len(all) < maxOutput {
		n, err := in.Read(chunk)
		all = append(all, chunk[:n]...)
		if _, after, ok := bytes.Cut(all, mark); ok {
			if text, _, ok := bytes.Cut(after, mark); ok {
				return text, true
			}
		}
		if err != nil {
			return nil, false
		}
	}
	return nil, false
}

// flagsOf returns the arguments with which a shell is an interactive login shell and runs the command that follows.
func flagsOf(shell string) ([]string, error) {
	switch name := strings.TrimPrefix(filepath.Base(shell), "-"); name {
	case "sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "fish":
		return []string{"-l", "-i", "-c"}, nil
	case "csh", "tcsh": // which accept -l only by itself
		return []string{"-i", "-c"}, nil
	case ".", "":
		return nil, ErrNoShell
	default:
		return nil, fmt.Errorf("%w: %s is not known", ErrNoShell, name)
	}
}

// usersShell returns the path of the user's login shell, or "" if it is unknown.
func usersShell() string {
	if shell := os.Getenv("SHELL"); filepath.IsAbs(shell) {
		return shell
	}
	if shell := passwdShell("/etc/passwd", os.Getuid()); shell != "" {
		return shell
	}
	if runtime.GOOS == "darwin" { // which does not list its users in that file
		return "/bin/zsh"
	}
	return ""
}

// passwdShell returns the last field of a user's line.
func passwdShell(file string, uid int) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if field := strings.Split(strings.TrimSpace(line), ":"); len(field) == 7 && field[2] == fmt.Sprint(uid) {
			return field[6]
		}
	}
	return ""
}
