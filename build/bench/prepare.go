package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"fairlead/build/bench/namespace"
	"fairlead/build/bench/report"
	"fairlead/build/clustertest"
)

// prepare builds what is measured, which may need the network, and runs the rest inside a network namespace.
func prepare(ctx context.Context, p parameters) (err error) {
	say := progressPrinter(time.Now())
	if p.Dir, err = os.MkdirTemp("", "fairlead-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(p.Dir)) }()
	if p.wants(report.Judged) {
		say("build Fairlead")
		p.Fairlead = filepath.Join(p.Dir, "fairlead")
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", p.Fairlead, "fairlead/app")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("build Fairlead: %w", err)
		}
	}
	if p.Cluster, err = clustertest.Binary(ctx, os.Stderr); err != nil {
		return err
	}
	if p.Node == clustertest.RealNode {
		if p.Programs, err = prepareRealNode(ctx, p); err != nil {
			return err
		}
	}
	if p.Beside != "" {
		if p.Beside, err = filepath.Abs(p.Beside); err != nil {
			return err
		}
	}
	for _, path := range []*string{&p.JSON, &p.Picture} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(*path), 0o755); err != nil {
			return err
		}
	}
	return enter(p)
}

// reported is a failure inside the namespace, which has already been printed there.
type reported struct{ status int }

func (e *reported) Error() string {
	return fmt.Sprintf("exit status %d inside the namespace", e.status)
}

// enter runs this program again inside the namespace and waits for it.
func enter(p parameters) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	config, err := json.Marshal(p)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	cmd, err := namespace.Start(func() *exec.Cmd {
		cmd := exec.Command(self, roleInside, string(config))
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		return cmd
	})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			// A Ctrl-C has reached it from the terminal already; a second signal does no harm.
			if err := cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return err
			}
		case err := <-ended:
			if code := cmd.ProcessState.ExitCode(); code > 0 {
				return &reported{code}
			}
			return err
		}
	}
}
