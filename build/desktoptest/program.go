//go:build linux

package desktoptest

import (
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Program is a program under test on the desktop.
type Program struct{ process *process }

// Run starts a program on the desktop. If it still runs at the end of the test it is stopped.
func (d *Desktop) Run(t testing.TB, path string, args ...string) *Program {
	t.Helper()
	return &Program{process: d.start(t, exec.Command(path, args...))}
}

// PID returns the program's process id.
func (p *Program) PID() int { return p.process.cmd.Process.Pid }

// Stdout returns what the program has written to its standard output so far.
func (p *Program) Stdout() string { return p.process.stdout.String() }

// Stderr returns what the program has written to its standard error so far.
func (p *Program) Stderr() string { return p.process.stderr.String() }

// Signal sends the program a signal.
func (p *Program) Signal(s syscall.Signal) { p.process.signal(s) }

// Running reports whether the program is still running.
func (p *Program) Running() bool {
	select {
	case <-p.process.done:
		return false
	default:
		return true
	}
}

// Wait waits for the program's end and returns its exit code, or -1 if a signal ended it. It fails the test if the
// program does not end.
func (p *Program) Wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.process.done:
	case <-time.After(bound):
		t.Fatalf("waited %s for %s to end; it wrote:\n%s", bound, p.process.name, p.process.Output())
	}
	return p.process.cmd.ProcessState.ExitCode()
}
