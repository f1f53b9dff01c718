// Command fairlead lists the contexts of a kubeconfig in the panel, and a click on one starts a local proxy into that
// cluster. This package puts the rooms together and holds no idea of its own; program.go is what tray and serve share.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"fairlead/app/command"
	"fairlead/app/shellenv"
	"fairlead/app/tray"
)

// Exit statuses beside 0.
const (
	exitFailed    = 1
	exitUsage     = 2 // a wrong command line, or a context that does not exist
	exitNoDesktop = 3 // there is no panel to sit in
	exitNoProgram = 4 // there is no Fairlead that runs
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == shellenv.Word {
		// The user's login shell asks, on behalf of another Fairlead.
		if err := shellenv.Print(os.Stdout); err != nil {
			os.Exit(exitFailed)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	endAfter(ctx, endWithin, func() {
		lastWords("fairlead: something hangs, and is not waited for\n")
		os.Exit(exitFailed)
	})
	err := command.Run(ctx, command.Actions{
		Tray:            runTray,
		Serve:           runServe,
		List:            runList,
		On:              runOn,
		Off:             runOff,
		Status:          runStatus,
		Env:             runEnv,
		Open:            runOpen,
		Logs:            runLogs,
		Doctor:          runDoctor,
		SettingsExample: printExample,
		SettingsPath:    printSettingsPath,
		SettingsCheck:   checkSettings,
		Names:           contextNames,
		Running:         runningNames,
		For:             snippetKinds,
		Version:         version(),
	}, os.Args[1:])
	if err != nil && !errors.Is(err, errSaid) {
		lastWords(fmt.Sprintf("fairlead: %s\n", strings.ReplaceAll(err.Error(), "\n", "\nfairlead: ")))
	}
	os.Exit(status(err))
}

// endWithin bounds what the program takes to end after a signal. All that is waited for has a bound of its own, in all less than
// this: what is left hangs, such as a disk that is gone.
const endWithin = 12 * time.Second

// endAfter calls end when ctx ended a while ago.
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
	case errors.Is(err, errNotRunning):
		return exitNoProgram
	}
	return exitFailed
}

// version is the module's version or, for a build from a checkout, its commit.
func version() string {
	number := "devel"
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := info.Main.Version; v != "" && v != "(devel)" {
			number = v
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && number == "devel" {
				number = "devel-" + s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return fmt.Sprintf("fairlead %s %s %s/%s", number, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
