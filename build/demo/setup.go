package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// noDesktop is the exit status of fairlead when there is no panel for its icon.
const noDesktop = 3

// settleWithin is how long the demo polls a started Fairlead for its state.
const settleWithin = time.Minute

// A setup is the environment of the demo's Fairlead: its program, the cluster's kubeconfig, and a directory for all
// other files.
type setup struct {
	program, kubeconfig, dir string
	ports                    [2]int // of demo and demo-team
}

// prepare assigns free ports to the contexts, so that the printed commands are right.
func (s *setup) prepare() error {
	port := 1080
	for i := range s.ports {
		for ; !isFree(port); port++ {
			if port == 1<<16-1 {
				return errors.New("no free port on this machine")
			}
		}
		s.ports[i], port = port, port+1
	}
	settings := fmt.Sprintf("contexts:\n  demo: {port: %d}\n  demo-team: {port: %d}\n", s.ports[0], s.ports[1])
	return s.write(filepath.Join("config", "fairlead", "config.yaml"), settings, 0o600)
}

func isFree(port int) bool {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

func (s *setup) write(name, text string, mode os.FileMode) error {
	path := filepath.Join(s.dir, name)
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), mode))
}

// show runs Fairlead in the panel or, if there is none, in the foreground. It returns when Fairlead has ended.
func (s *setup) show(ctx context.Context) error {
	environment := []string{
		"KUBECONFIG=" + s.kubeconfig, "XDG_STATE_HOME=" + filepath.Join(s.dir, "state"), "XDG_CONFIG_HOME=" + filepath.Join(s.dir, "config"),
	}
	panel := &heldWriter{to: os.Stderr}
	err := s.run(ctx, environment, panel, func() {
		panel.release()
		fmt.Print(s.fill(panelText))
	})
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != noDesktop {
		panel.release()
		return err
	}
	say("there is no desktop here, so the proxies run in the foreground")
	// Without a desktop the user's runtime directory is not needed, and the user's own Fairlead may be listening there.
	runtime := filepath.Join(s.dir, "run")
	if err := os.MkdirAll(runtime, 0o700); err != nil {
		return err
	}
	environment = append(environment, "XDG_RUNTIME_DIR="+runtime)
	return s.run(ctx, environment, os.Stderr, func() { fmt.Print(s.fill(foregroundText)) }, "serve", "demo", "demo-team")
}

// run runs Fairlead until it ends, and calls up once it is ready.
func (s *setup) run(ctx context.Context, environment []string, stderr io.Writer, up func(), args ...string) error {
	if err := s.write(filepath.Join("bin", "fairlead"), wrapper(s.program, environment), 0o700); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, s.program, args...)
	cmd.Env = append(os.Environ(), environment...)
	cmd.Stdout, cmd.Stderr = os.Stdout, stderr
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 15 * time.Second
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	settling, stop := context.WithTimeout(ctx, settleWithin)
	defer stop()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-tick.C:
			if s.isUp(settling, len(args) > 0) || settling.Err() != nil {
				up()
				return <-ended
			}
		}
	}
}

// isUp reports whether the printed commands will work: Fairlead answers, and listens if it should.
func (s *setup) isUp(ctx context.Context, listens bool) bool {
	if exec.CommandContext(ctx, filepath.Join(s.dir, "bin", "fairlead"), "status").Run() != nil {
		return false
	}
	return !listens || !isFree(s.ports[0]) && !isFree(s.ports[1])
}

// wrapper returns a script that runs Fairlead with an environment, so that its commands reach the Fairlead that was
// started with it.
func wrapper(program string, environment []string) string {
	var b strings.Builder
	b.WriteString("#!/bin/sh\nexec env")
	for _, variable := range environment {
		b.WriteString(" " + quoted(variable))
	}
	fmt.Fprintf(&b, " %s \"$@\"\n", quoted(program))
	return b.String()
}

// quoted returns a word quoted for a shell's command line.
func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
