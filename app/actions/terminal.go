package actions

import (
	"context"
	"errors"
	"os"

	"fairlead/app/desktop"
	"fairlead/app/menu"
)

// The scripts that run in a terminal window. Names are passed as arguments, because they come from kubeconfigs and a
// shell must not interpret them. diagnoseScript runs its arguments. For the others, $1 is this program and $2 the context
// as a flag; the rest, for loginScript, is the command that logs in.
const (
	// diagnoseScript and loginScript leave the window open, so that what was printed can be read.
	diagnoseScript = `"$@"` + waitForEnter
	loginScript    = `fairlead=$1; context=$2; shift 2; printf '$ %s\n' "$*"; "$@" && "$fairlead" login "$context"` + waitForEnter
	waitForEnter   = `; printf '\nPress Enter to close this window. '; read -r _`
	// shellScript reads the proxy's variables in the window, so that a password is in no list of processes.
	shellScript = `proxy=$("$1" env --for bash "$2") && eval "$proxy" && exec "${SHELL:-/bin/sh}"` + waitForEnter
)

var errNotPlain = errors.New("this command has characters that a shell interprets: copy it, and look at it before you run it")

// runInTerminal opens a terminal window and runs the command of a click in it.
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
	contextFlag := "--context=" + click.Context
	shell := func(script string, arguments ...string) []string {
		return append([]string{"/bin/sh", "-c", script, "fairlead"}, arguments...)
	}
	switch click.Action {
	case menu.OpenTerminal:
		return shell(shellScript, program, contextFlag), nil
	case menu.RunLogin:
		words, ok := menu.PlainWords(click.Argument)
		if !ok {
			return nil, errNotPlain
		}
		return shell(loginScript, append([]string{program, contextFlag}, words...)...), nil
	}
	diagnosis := []string{program, "doctor", contextFlag}
	if path := c.KubeconfigPath(); path != "" {
		diagnosis = append(diagnosis, "--kubeconfig="+path)
	}
	return shell(diagnoseScript, diagnosis...), nil
}
