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
	"fairlead/app/netns"
)

// RunByVariables runs a program next to the context's proxy, which the variables that env returns lead to. It is for
// systems on which Run cannot work, and for programs that read such variables. Of Config it uses Gateways, whose
// context listens somewhere, Context, Path, Args and Started. If it cannot start the program, the error is a *netns.Error.
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
		return status, &netns.Error{Step: netns.StepProgram, Err: err}
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
