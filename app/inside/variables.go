package inside

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"

	"fairlead/app/gateway"
)

// RunByVariables runs a program next to the context's proxy, which the variables that env returns lead to. It is for
// systems on which Run cannot work, and for programs that read such variables. Of Config it uses Gateways, whose
// context listens somewhere, Context, Path, Args and Started.
func RunByVariables(ctx context.Context, c Config, env func() ([]string, error)) (status syscall.WaitStatus, err error) {
	return c.whileServing(ctx, nil, func(*gateway.Gateway) (syscall.WaitStatus, error) { return c.runWith(env) })
}

// runWith runs the program with variables.
func (c Config) runWith(env func() ([]string, error)) (status syscall.WaitStatus, err error) {
	variables, err := env()
	if err != nil {
		return status, err
	}
	cmd := &exec.Cmd{Path: c.Path, Args: c.Args, Env: variables, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	if err := cmd.Start(); err != nil {
		return status, &NotStarted{err}
	}
	defer passSignals(cmd.Process)()
	if c.Started != nil {
		c.Started()
	}
	if err := cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		return status, err
	}
	status, _ = cmd.ProcessState.Sys().(syscall.WaitStatus) // as it is on all systems that Fairlead runs on
	return status, nil
}

// NotStarted is a program that cannot be started.
type NotStarted struct{ Err error }

func (e *NotStarted) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *NotStarted) Unwrap() error { return e.Err }

// passSignals passes signals that ask for an end on to the program, until stop is called. A terminal's own reaches both.
func passSignals(program *os.Process) (stop func()) {
	received, ended := make(chan os.Signal, 4), make(chan struct{})
	signal.Notify(received, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	var passing sync.WaitGroup
	passing.Go(func() {
		for {
			select {
			case s := <-received:
				if s != os.Interrupt {
					_ = program.Signal(s) // fails if it has ended
				}
			case <-ended:
				return
			}
		}
	})
	return func() { signal.Stop(received); close(ended); passing.Wait() }
}
