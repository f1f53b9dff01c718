package actions

import (
	"context"
	"errors"
	"os"

	"fairlead/app/desktop"
	"fairlead/app/menu"
)

// The scripts that run in a terminal window. Names are passed as arguments, because they come from kubeconfigs and a
// shell must not interpret them. $1 is this program, $2 the context as a flag, and the rest a command.
const (
	// diagnoseScript and loginScript leave the window open, so that what was printed can be read.
	diagnoseScript = `"$@"` + waitForEnter
	loginScript    = `fairlead=$1; context=$2; shift 2; printf '$ %s\n' "$*"; "$@" && "$fairlead" login "$context"` + waitForEnter
	waitForEnter   = `; printf '\nPress Enter to close this window. '; read -r _`
	// shellScript reads the proxy's variables in the window, so that a password is in no list of processes.
	shellScript = `proxy=$("$1" env --for bash "$2") && eval "$proxy" && exec "${SHELL:-/bin/sh}"` + waitForEnter
)

var errNotPlain = errors.New("this command is not of plain words: copy it, and look at it before you run it")

// runInTerminal opens the terminal window of a click.
func (c *Actions) runInTerminal(ctx context.Context, click menu.Click) error {
	command, err := c.terminalCommand(click)
	if err != nil {
		return err
	}
	return desktop.OpenTerminal(ctx, command...)
}

// terminalCommand returns the command that a click runs in a terminal window.
func (c *Actions) terminalCommand(click menu.Click) ([]string, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	about := "--context=" + click.Context
	shell := func(script string, arguments ...string) []string {
		return append([]string{"/bin/sh", "-c", script, "fairlead"}, arguments...)
	}
	switch click.Action {
	case menu.OpenTerminal:
		return shell(shellScript, program, about), nil
	case menu.RunLogin:
		words, ok := menu.PlainWords(click.Argument)
		if !ok {
			return nil, errNotPlain
		}
		return shell(loginScript, append([]string{program, about}, words...)...), nil
	}
	diagnosis := []string{program, "doctor", about}
	if path := c.KubeconfigPath(); path != "" {
		diagnosis = append(diagnosis, "--kubeconfig="+path)
	}
	return shell(diagnoseScript, diagnosis...), nil
}
