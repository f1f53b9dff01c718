package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"fairlead/app/command"
	"fairlead/app/explain"
	"fairlead/app/inside"
	"fairlead/app/instance"
	"fairlead/app/netns"
)

// Exit statuses of Run for a program that did not run, as of a shell.
const (
	statusNotStarted = 126
	statusNotFound   = 127
)

// An Ended is the end of the program of Run. This process is to end in the same way.
type Ended struct {
	Status int
	Signal syscall.Signal // ended it, if it is not 0
	Err    error          // why it did not run; nil if it has
}

func (e *Ended) Error() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return fmt.Sprintf("the program has ended with status %d", e.Status)
}

// Unwrap returns Err.
func (e *Ended) Unwrap() error { return e.Err }

// Run runs a program inside of a context's network. It calls started once signals for this process are the program's. The
// error is an *Ended if the program has run, or could not.
func Run(ctx context.Context, o command.Options, name string, r command.Program, started func()) error {
	path, err := lookProgram(r.Args[0])
	if err != nil {
		return err
	}
	p, name, err := openRun(o, name)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := confirmProduction(ctx, p, o, []string{name}, "fairlead run --yes "+name+" -- "+strings.Join(r.Args, " ")); err != nil {
		return err
	}
	if err := p.Settings.ForwardOnly(name); err != nil {
		return err
	}
	c := inside.Config{
		Gateways: p.NewCapturing(explainTo(os.Stderr, r.Explain)), Context: name,
		Domain: p.Settings.Effective(name).Domain(),
		Path:   path, Args: r.Args, Env: withoutProxies(os.Environ()),
		Range: r.Range, MTU: r.MTU, OnlyCluster: r.OnlyCluster, Started: started, Follow: p.FollowGateway,
	}
	status, err := inside.Run(ctx, c)
	if failed, ok := errors.AsType[*netns.Error](err); ok && failed.Step != netns.StepProgram {
		said := explain.NotInside(failed)
		if !r.ByEnv && failed.Cause != netns.Unsupported {
			return errors.New(said.Text() + " With --fallback env the program gets proxy variables instead.")
		}
		fmt.Fprintln(os.Stderr, "fairlead:", said.Sentence, "The program gets proxy variables instead, which not every program reads.")
		status, err = runByVariables(ctx, o, c)
	}
	return ended(r.Args[0], status, err)
}

// openRun opens the instance for a context, or for the kubeconfig's current one.
func openRun(o command.Options, name string) (*instance.Instance, string, error) {
	p, err := instance.Open(o.Kubeconfig, io.Discard) // stderr is the program's
	if err != nil {
		return nil, "", err
	}
	if err := p.Unreadable(); err != nil {
		p.Close()
		return nil, "", &command.UsageError{Err: err}
	}
	found, err := checkNames(p, notEmpty(name))
	if err == nil {
		err = useNamespace(p, o, found...)
	}
	if err != nil {
		p.Close()
		return nil, "", err
	}
	return p, found[0], nil
}

// runByVariables runs the program with variables that lead it to a proxy of its own.
func runByVariables(ctx context.Context, o command.Options, c inside.Config) (status syscall.WaitStatus, err error) {
	p, name, err := openRun(o, c.Context)
	if err != nil {
		return status, err
	}
	defer p.Close()
	p.Settings.ListenAt(name, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0))
	c.Gateways = p.Gateways
	return inside.RunByVariables(ctx, c, func() ([]string, error) {
		proxy, err := p.ProxyOf(name)
		return append(c.Env, proxy.Environment()...), err
	})
}

// notEmpty returns a list of the name, or none if it is empty.
func notEmpty(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}

// lookProgram returns the path of a program.
func lookProgram(program string) (string, error) {
	path, err := exec.LookPath(program)
	switch {
	case err == nil, errors.Is(err, exec.ErrDot):
		return path, nil
	case errors.Is(err, fs.ErrPermission):
		return "", &Ended{Status: statusNotStarted, Err: fmt.Errorf("%s may not be run", program)}
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return "", &Ended{Status: statusNotFound, Err: fmt.Errorf("there is no program %s", program)}
	}
	return "", &Ended{Status: statusNotStarted, Err: err}
}

// ended returns the error for the end of a program.
func ended(program string, status syscall.WaitStatus, err error) error {
	failed, ok := errors.AsType[*netns.Error](err)
	switch {
	case ok && failed.Step == netns.StepProgram && errors.Is(err, fs.ErrNotExist):
		return &Ended{Status: statusNotFound, Err: fmt.Errorf("%s cannot be started: %w", program, failed.Err)}
	case ok && failed.Step == netns.StepProgram:
		return &Ended{Status: statusNotStarted, Err: fmt.Errorf("%s cannot be started: %w", program, failed.Err)}
	case errors.As(err, new(*inside.OverlapError)):
		return &command.UsageError{Err: err}
	case err != nil:
		return err
	case status.Signaled():
		return &Ended{Status: 128 + int(status.Signal()), Signal: status.Signal()}
	case status.ExitStatus() != 0:
		return &Ended{Status: status.ExitStatus()}
	}
	return nil
}

// explainTo returns a gateway's Failed that prints what happened, or nil.
func explainTo(to io.Writer, wanted bool) func(context, target string, said explain.Explanation, whole bool) {
	if !wanted {
		return nil
	}
	var mutex sync.Mutex
	var last string
	var at time.Time
	return func(_, target string, said explain.Explanation, _ bool) {
		line := fmt.Sprintf("fairlead: %s: %s\n", target, said.Text())
		mutex.Lock()
		defer mutex.Unlock()
		// A client that is refused at one address of a name tries the next.
		if line == last && time.Since(at) < time.Second {
			return
		}
		last, at = line, time.Now()
		_, _ = io.WriteString(to, line) // there is nowhere else to report it
	}
}

// proxyVariables are the environment variables that would lead a program to a proxy, which it does not need inside.
var proxyVariables = []string{"http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"}

// withoutProxies returns an environment without the variables of proxies.
func withoutProxies(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(proxyVariables, strings.ToLower(name))
	})
}
