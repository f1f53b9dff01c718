//go:build linux

package desktoptest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/build/testoutput"
)

// bound is how long anything on the desktop may take. It is far more than a loaded machine needs, and ends a test that
// would wait forever.
const bound = time.Minute

// process is a program in its own process group. It is killed when the test process ends, however that ends.
type process struct {
	name   string
	cmd    *exec.Cmd
	stdout testoutput.Buffer
	stderr testoutput.Buffer
	done   chan struct{} // closed when it has ended
}

// startProcess starts cmd and keeps its output.
func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{name: filepath.Base(cmd.Path), cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.stdout, &p.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	// A grandchild that keeps the output open must not block the test.
	cmd.WaitDelay = time.Second
	started := make(chan error)
	go p.run(started)
	return p, <-started
}

// run starts the program and waits for it on one locked thread: the kernel sends Pdeathsig when the thread that started
// a process ends, and Go may end threads that are not locked at any time.
func (p *process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.done)
	err := p.cmd.Start()
	started <- err
	if err == nil {
		// The result is in ProcessState.
		_ = p.cmd.Wait()
	}
}

// Output returns what the program has written so far, its standard output first.
func (p *process) Output() string { return p.stdout.String() + p.stderr.String() }

// stop asks the program to end, kills it after two seconds, and returns when it and its children are gone.
func (p *process) stop() {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(2 * time.Second):
	}
	// Even if it ended by itself: children may be left in its group.
	p.signal(syscall.SIGKILL)
	<-p.done
}

// signal sends a signal to the program and its children, unless they are gone.
func (p *process) signal(s syscall.Signal) {
	_ = syscall.Kill(-p.cmd.Process.Pid, s)
}

// start starts a program that is part of the desktop.
func (d *Desktop) start(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	cmd.Env = d.Env()
	cmd.Dir = d.dir
	p, err := startProcess(cmd)
	if err != nil {
		t.Fatal(err)
	}
	d.processes = append(d.processes, p)
	return p
}

// command is like Output, for a program that must not fail.
func (d *Desktop) command(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := d.Output(t, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Output runs a program on the desktop to its end and returns its standard output. If it fails, the error contains its
// standard error.
func (d *Desktop) Output(t testing.TB, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = d.Env()
	cmd.Dir = d.dir
	cmd.Stderr = &stderr
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(stderr.String()))
	}
	return string(out), err
}

// waitFor polls until is returns true, and fails the test if that takes longer than bound. describe, if not nil,
// returns the state for the message.
func waitFor(t testing.TB, what string, describe func() string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(bound)
	ticker := time.NewTicker(25 * time.Millisecond)
	defer ticker.Stop()
	for !is() {
		if time.Now().After(deadline) {
			state := ""
			if describe != nil {
				state = "\n" + describe()
			}
			t.Fatalf("waited %s for %s%s", bound, what, state)
		}
		<-ticker.C
	}
}

// exists reports whether there is a file with that name.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
