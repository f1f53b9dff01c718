// Command demo shows Fairlead on a real, small Kubernetes: it builds both, starts the cluster, starts Fairlead on the
// cluster's kubeconfig (in the panel, or in the foreground where there is none), and takes everything down at the end.
// It touches no kubeconfig, settings, state or log of the user's own.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"fairlead/build/clustertest"
)

// noDesktop is the exit status by which fairlead says that there is no panel to sit in.
const noDesktop = 3

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "fairlead-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	fairlead := filepath.Join(dir, "fairlead")
	if err := buildFairlead(ctx, fairlead); err != nil {
		return err
	}
	say("start a Kubernetes cluster (the first time, it is built: some minutes)")
	begun := time.Now()
	cluster, err := clustertest.Launch(ctx, clustertest.Options{Log: os.Stderr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	say("the cluster is up after %s; its kubeconfig is %s", time.Since(begun).Round(time.Second), cluster.Kubeconfig)

	p := program{path: fairlead, kubeconfig: cluster.Kubeconfig, state: filepath.Join(dir, "state")}
	return p.show(ctx)
}

func buildFairlead(ctx context.Context, to string) error {
	say("build Fairlead")
	begun := time.Now()
	build := exec.CommandContext(ctx, "go", "build", "-o", to, "./app")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Start(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- build.Wait() }()
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err == nil {
				say("built Fairlead in %s", time.Since(begun).Round(time.Second))
			}
			return err
		case <-tick.C:
			say("build Fairlead: %s", time.Since(begun).Round(time.Second))
		}
	}
}

// program is a built fairlead and where the demo lets it live.
type program struct{ path, kubeconfig, state string }

const inPanel = `
Fairlead is in the panel. Click its icon, then the context "demo". Then, in another terminal:

  curl --proxy socks5h://127.0.0.1:1080 http://hello.default.svc.cluster.local/
  curl --proxy http://127.0.0.1:1080 http://web.default/

The URL is in the menu, too: "demo: copy, open, more". Ctrl-C here, or Quit there, takes everything down.

`

const inForeground = `
So the same proxies run in the foreground. In another terminal:

  curl --proxy socks5h://127.0.0.1:1080 http://hello.default.svc.cluster.local/
  curl --proxy http://127.0.0.1:1080 http://web.default/
  curl --proxy socks5h://127.0.0.1:1081 http://app/

Ctrl-C takes everything down.

`

// show runs Fairlead in the panel and, where there is none, in the foreground. It returns when Fairlead has ended.
func (p program) show(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- p.start(ctx) }()
	var err error
	select {
	case err = <-ended: // at once where there is no desktop
	case <-time.After(4 * time.Second): // a session bus that hangs is given up sooner
		fmt.Print(inPanel)
		err = <-ended
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != noDesktop {
		return err
	}
	fmt.Print(inForeground)
	return p.start(ctx, "serve", "demo", "demo-team")
}

func (p program) start(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, p.path, append([]string{"--kubeconfig", p.kubeconfig}, args...)...)
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+p.state, "XDG_CONFIG_HOME="+filepath.Join(p.state, "config"))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 15 * time.Second
	return cmd.Run()
}

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "demo  "+format+"\n", args...)
}
