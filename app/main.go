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
	"syscall"
	"time"

	"fairlead/app/cli"
	"fairlead/app/command"
	"fairlead/app/logging"
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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	endAfter(ctx, endWithin, func() {
		logging.LastWords("fairlead: something hangs, and is not waited for\n")
		os.Exit(exitFailed)
	})
	actions := cli.Actions()
	actions.Tray = runTray
	err := command.Run(ctx, actions, os.Args[1:])
	if err != nil && !errors.Is(err, cli.ErrReported) {
		logging.LastWords(fmt.Sprintf("fairlead: %s\n", strings.ReplaceAll(err.Error(), "\n", "\nfairlead: ")))
	}
	os.Exit(status(err))
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
	switch {
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
