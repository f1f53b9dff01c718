package plugin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"fairlead/kube/fault"
)

const (
	maxOutput  = 1 << 20         // bytes that a plugin may print
	endTimeout = 2 * time.Second // how long a killed plugin may take to exit, and its children may keep its output open
)

// execute runs the plugin once, without a terminal. The error is a *fault.Login that names no context, a *fault.Machine,
// or ctx.Err() if ctx was canceled.
func execute(ctx context.Context, c Config, stderr *tail) (*credentials, error) {
	if c.Exec.InteractiveMode == clientcmdapi.AlwaysExecInteractiveMode {
		return nil, &fault.Login{Cause: fault.PluginTerminal, Err: errors.New("it asks for a terminal, which it cannot have in the background")}
	}
	codec, err := codecOf(c.Exec.APIVersion)
	if err != nil {
		return nil, &fault.Login{Cause: fault.PluginOutput, Err: err}
	}
	info, err := codec.encodeRequest(c.Cluster)
	if err != nil {
		return nil, &fault.Login{Cause: fault.PluginOutput, Err: errors.New("what it is to be told cannot be written")}
	}
	running, end := context.WithCancel(ctx)
	defer end()
	cmd := exec.CommandContext(running, filepath.Clean(c.Exec.Command), c.Exec.Args...)
	cmd.Env = os.Environ()
	for _, variable := range c.Exec.Env {
		cmd.Env = append(cmd.Env, variable.Name+"="+variable.Value)
	}
	cmd.Env = append(cmd.Env, "KUBERNETES_EXEC_INFO="+string(info))
	stdout := &limitedBuffer{left: maxOutput, exceeded: end}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = endTimeout
	detach(cmd)
	// The policy is checked before a failed search is reported: a program that may not run need not exist.
	if err := checkPolicy(cmd); err != nil {
		return nil, &fault.Login{Cause: fault.PluginDenied, Err: err}
	}
	if c.Approved != nil && !c.Approved(Hash(c.Exec)) {
		return nil, &fault.Login{Cause: fault.PluginNew, Err: errors.New("it is new in the kubeconfig, and was not allowed to run")}
	}
	err = cmd.Run()
	switch {
	case ctx.Err() == nil:
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, &fault.Login{Cause: fault.PluginSilent, Detail: stderr.lastLine(), Err: errors.New("it did not finish in time")}
	default:
		return nil, ctx.Err()
	}
	if stdout.left < 0 {
		return nil, &fault.Login{Cause: fault.PluginOutput, Detail: stderr.lastLine(), Err: errOutput}
	}
	// A browser that the plugin started may hold its output open.
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return nil, runError(c, err, stderr.lastLine())
	}
	given, err := codec.decode(stdout.data)
	if err != nil {
		return nil, &fault.Login{Cause: fault.PluginOutput, Detail: stderr.lastLine(), Err: err}
	}
	return given, nil
}

// withAdvice returns err with the command that the plugin itself named, if err is a *fault.Login and there is one.
func withAdvice(err error, c Config, stderr *tail) error {
	login, ok := errors.AsType[*fault.Login](err)
	if !ok {
		return err
	}
	if command := adviceCommand(c.Exec, stderr.text()); command != "" {
		advised := *login
		advised.Command = command
		return &advised
	}
	return err
}

// runError returns the fault for err, the error of cmd.Run: the plugin could not be started, or it failed.
func runError(c Config, err error, detail string) error {
	if machine := fault.OfMachine(err); machine != nil {
		return machine // the plugin never ran
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		login := &fault.Login{Cause: fault.PluginFailed, Exit: exit.ExitCode(), Detail: detail, Err: fmt.Errorf("exit code %d", exit.ExitCode())}
		if login.Exit < 0 {
			login.Err = errors.New("it was ended by a signal")
		}
		return login
	}
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		login := &fault.Login{Cause: fault.PluginMissing, Hint: clean(c.Exec.InstallHint), Err: errors.New("executable not found")}
		if filepath.Base(c.Exec.Command) == c.Exec.Command {
			login.SearchPath = os.Getenv("PATH")
		}
		return login
	}
	reason := errors.New("it could not be run")
	if errors.Is(err, fs.ErrPermission) {
		reason = errors.New("permission denied")
	}
	return &fault.Login{Cause: fault.PluginFailed, Exit: -1, Detail: detail, Err: reason}
}

// A limitedBuffer keeps what is written to it, up to a limit. It embeds no bytes.Buffer, whose ReadFrom package os/exec
// would call instead of Write.
type limitedBuffer struct {
	data     []byte
	left     int
	exceeded func() // called when more is written
}

func (l *limitedBuffer) Write(p []byte) (int, error) {
	if l.left < 0 {
		return 0, errOutput
	}
	if l.left -= len(p); l.left < 0 {
		l.exceeded()
		return 0, errOutput
	}
	l.data = append(l.data, p...)
	return len(p), nil
}

var errOutput = fmt.Errorf("its output is larger than %d KiB", maxOutput>>10)
