// Testrun runs go test with its arguments and shows the progress: go test's own line as each package ends, the output
// of failed tests, and every 30 seconds the tests that are running. Its exit status is go test's. SIGINT and SIGTERM
// end go test and the processes of its tests.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

const (
	interval = 30 * time.Second // between two lines about running tests
	killWait = 20 * time.Second // for the tests' own clean-up after an interrupt
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status, err := run(ctx, os.Stdout, interval, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "testrun:", err)
	}
	os.Exit(status)
}

// run runs go test and returns its exit status.
func run(ctx context.Context, out io.Writer, every time.Duration, args []string) (int, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json"}, args...)...)
	// Its own process group, so that an interrupt also reaches the programs under test however it reached this one.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = killWait
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	show(ctx, out, every, readEvents(stdout))
	err = cmd.Wait()
	if ctx.Err() != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // remaining processes have ignored the interrupt
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exit.ExitCode(), nil
	}
	return 1, err
}

// readEvents decodes the output of go test. The channel is closed at its end.
func readEvents(from io.Reader) <-chan event {
	events := make(chan event)
	go func() {
		defer close(events)
		lines := bufio.NewReader(from)
		for {
			line, err := lines.ReadBytes('\n')
			if len(line) > 0 {
				var e event
				if !bytes.HasPrefix(line, []byte("{")) || json.Unmarshal(line, &e) != nil {
					e = event{Action: "build-output", Output: string(line)}
				}
				events <- e
			}
			if err != nil {
				return
			}
		}
	}()
	return events
}

// show prints events until their end, and then a summary. After an interrupt it waits for at most killWait.
func show(ctx context.Context, out io.Writer, every time.Duration, events <-chan event) {
	p := newProgress(out, time.Now())
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	defer func() { p.summarize(time.Now()) }()
	var overdue <-chan time.Time
	interrupted := ctx.Done()
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return
			}
			p.take(e, time.Now())
		case now := <-ticks.C:
			p.status(now)
		case <-interrupted:
			interrupted, overdue = nil, time.After(killWait)
		case <-overdue:
			go func() {
				for range events { // until Wait closes the pipe
				}
			}()
			return
		}
	}
}
