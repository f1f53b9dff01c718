//go:build linux

package desktoptest

import (
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Program is a program under test that runs on the desktop.
type Program struct{ process *process }

// Run starts a program on the desktop. It is stopped at the end of the test if it still runs then.
func (d *Desktop) Run(t testing.TB, path string, args ...string) *Program {
	t.Helper()
	return &Program{process: d.start(t, exec.Command(path, args...))}
}

// PID is its process id.
func (p *Program) PID() int { return p.process.cmd.Process.Pid }

// Stdout is what the program wrote to its standard output so far.
func (p *Program) Stdout() string { return p.process.stdout.String() }

// Stderr is what the program wrote to its standard error so far.
func (p *Program) Stderr() string { return p.process.stderr.String() }

// Signal sends it a signal.
func (p *Program) Signal(s syscall.Signal) { p.process.signal(s) }

// Running says whether it has not ended yet.
func (p *Program) Running() bool {
	select {
	case <-p.process.done:
		return false
	default:
		return true
	}
}

// Wait returns the program's exit code once it has ended, -1 for one that a signal ended. A program that does not end fails
// the test.
func (p *Program) Wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.process.done:
	case <-time.After(bound):
		t.Fatalf("waited %s for %s to end; it wrote:\n%s", bound, p.process.name, p.process.Output())
	}
	return p.process.cmd.ProcessState.ExitCode()
}
