// Command demo shows Fairlead on a real, small Kubernetes: it builds both, starts the cluster, starts Fairlead on the
// cluster's kubeconfig (in the panel, or in the foreground if there is none), and stops everything at the end. It does
// not touch the user's kubeconfig, settings, state or log. The built programs stay in bin.
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
	"fairlead/build/gobuild"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	own, err := os.Executable()
	if err != nil {
		return err
	}
	program := filepath.Join(filepath.Dir(own), "fairlead")
	if err := buildFairlead(ctx, program); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "fairlead-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	say("start a Kubernetes cluster (the first time, it is built: some minutes)")
	begun := time.Now()
	cluster, err := clustertest.Launch(ctx, clustertest.Options{Log: os.Stderr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	say("the cluster is up after %s; its kubeconfig is %s", time.Since(begun).Round(time.Second), cluster.Kubeconfig)

	s := &setup{program: program, kubeconfig: cluster.Kubeconfig, dir: dir}
	if err := s.prepare(); err != nil {
		return err
	}
	return s.show(ctx)
}

// buildFairlead builds Fairlead as task build does, and prints its progress every few seconds.
func buildFairlead(ctx context.Context, to string) error {
	say("build Fairlead into %s", to)
	begun := time.Now()
	build := exec.CommandContext(ctx, "go", "build", "-v", "-trimpath", "-o", to, "./app")
	output := &gobuild.Output{}
	build.Stdout, build.Stderr = output, output
	defer output.CountPackages(ctx, build)()
	if err := build.Start(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- build.Wait() }()
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("build Fairlead: %w\n%s", err, output.Tail())
			}
			say("built Fairlead in %s", time.Since(begun).Round(time.Second))
			return nil
		case <-tick.C:
			say("build Fairlead: %s, %s", time.Since(begun).Round(time.Second), output.Summary())
		}
	}
}

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "demo  "+format+"\n", args...)
}
