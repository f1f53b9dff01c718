// Command fairlead lists the contexts of a kubeconfig in the panel, and a click on one starts a local proxy into that
// cluster. This package only parses flags and composes the other packages.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"fairlead/app/cli"
	"fairlead/app/command"
	"fairlead/app/logging"
	"fairlead/app/netns"
	"fairlead/app/shellenv"
	"fairlead/app/tray"
)

// Exit statuses other than 0.
const (
	exitFailed    = 1
	exitUsage     = 2 // a wrong command line, or a context that does not exist
	exitNoDesktop = 3 // there is no desktop for the tray
	exitNoProgram = 4 // there is no running Fairlead
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == shellenv.Word {
		// Another Fairlead runs this program through the user's login shell.
		if err := shellenv.Print(os.Stdout); err != nil {
			os.Exit(exitFailed)
		}
		return
	}
	if len(os.Args) > 1 && os.Args[1] == netns.Word {
		// Another Fairlead runs this program in namespaces of its own.
		if err := netns.Inner(); err != nil {
			logging.LastWords(fmt.Sprintf("fairlead: %s\n", err))
			os.Exit(exitFailed)
		}
		return
	}
	ctx, ignoreSignals := untilSignal()
	endAfter(ctx, endWithin, func() {
		logging.LastWords("fairlead: something hangs, and is not waited for\n")
		os.Exit(exitFailed)
	})
	actions := cli.Actions()
	actions.Tray = runTray
	actions.Run = func(ctx context.Context, o command.Options, name string, r command.Program) error {
		return cli.Run(ctx, o, name, r, ignoreSignals)
	}
	err := command.Run(ctx, actions, os.Args[1:])
	if ended, ok := errors.AsType[*cli.Ended](err); ok && ended.Err == nil {
		endAs(ended)
	}
	if err != nil && !errors.Is(err, cli.ErrReported) {
		logging.LastWords(fmt.Sprintf("fairlead: %s\n", strings.ReplaceAll(err.Error(), "\n", "\nfairlead: ")))
	}
	os.Exit(status(err))
}

// untilSignal returns a context that ends with the first signal that asks for the program's end; a second one ends the
// program at once. After ignore these signals are left to others.
func untilSignal() (_ context.Context, ignore func()) {
	ctx, cancel := context.WithCancel(context.Background())
	received, ignored := make(chan os.Signal, 1), make(chan struct{})
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) { // as with nohup
			signal.Notify(received, s)
		}
	}
	go func() {
		select {
		case <-received:
			signal.Stop(received)
			cancel()
		case <-ignored:
		}
	}()
	return ctx, sync.OnceFunc(func() { signal.Stop(received); close(ignored) })
}

// endAs ends this process as the program of run has ended.
func endAs(ended *cli.Ended) {
	// These signals end a Go program as they end any other. For some others it prints a trace first.
	if s := ended.Signal; s == syscall.SIGINT || s == syscall.SIGTERM || s == syscall.SIGHUP || s == syscall.SIGKILL {
		signal.Reset(s)
		if self, err := os.FindProcess(os.Getpid()); err == nil && self.Signal(s) == nil {
			time.Sleep(time.Second) // it comes at once
		}
	}
	os.Exit(ended.Status)
}

// endWithin bounds how long the program takes to end after a signal. Everything that is waited for has a bound of its
// own, together less than this, so what is left then hangs, for example on a disk that is gone.
const endWithin = 12 * time.Second

// endAfter calls end some time after ctx has ended.
func endAfter(ctx context.Context, within time.Duration, end func()) {
	context.AfterFunc(ctx, func() { time.AfterFunc(within, end) })
}

func status(err error) int {
	var noDesktop *tray.NoDesktop
	var ended *cli.Ended
	switch {
	case errors.As(err, &ended):
		return ended.Status
	case err == nil:
		return 0
	case command.IsUsage(err):
		return exitUsage
	case errors.As(err, &noDesktop):
		return exitNoDesktop
	case errors.Is(err, cli.ErrNotRunning):
		return exitNoProgram
	}
	return exitFailed
}
