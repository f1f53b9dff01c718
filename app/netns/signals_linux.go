package netns

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// passed are the signals that concern the program.
var passed = []os.Signal{
	syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM,
}

// catch keeps the signals that concern the program from ending this process, and sends them to received. Ignored signals
// stay ignored, also in the program.
func catch(received chan<- os.Signal) {
	for _, s := range passed {
		if !signal.Ignored(s) {
			signal.Notify(received, s)
		}
	}
}

// PassSignals passes signals for this process on to the program, until stop is called. A terminal sends its own to both.
func (p *Process) PassSignals() (stop func()) {
	received := make(chan os.Signal, 16)
	catch(received)
	ended := make(chan struct{})
	var passing sync.WaitGroup
	passing.Go(func() {
		for {
			select {
			case s := <-received:
				fromTerminal := s == syscall.SIGINT || s == syscall.SIGQUIT
				if number, ok := s.(syscall.Signal); ok && !(fromTerminal && inForeground()) {
					_ = syscall.Kill(p.pid, number) // fails if the program has ended
				}
			case <-ended:
				return
			}
		}
	})
	return func() {
		signal.Stop(received)
		close(ended)
		passing.Wait()
	}
}

// inForeground reports whether a terminal would send its signals to this process and, as it is in the same group, to the
// program.
func inForeground() bool {
	terminal, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer func() { _ = terminal.Close() }()
	group, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
