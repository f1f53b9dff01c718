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

// noDesktop is the exit status by which fairlead says that there is no panel to sit in.
const noDesktop = 3

// settleWithin bounds how long a started Fairlead is waited for before its state is no longer asked for.
const settleWithin = time.Minute

// A stage is where the demo's Fairlead lives: a program, the cluster's kubeconfig, and a directory for all else.
type stage struct {
	program, kubeconfig, dir string
	ports                    [2]int // of demo and demo-team
}

// prepare gives the contexts ports that are free here, so that the printed lines hold.
func (s *stage) prepare() error {
	port := 1080
	for i := range s.ports {
		for ; !isFree(port); port++ {
			if port == 1<<16-1 {
				return errors.New("no port is free on this machine")
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

func (s *stage) write(name, text string, mode os.FileMode) error {
	path := filepath.Join(s.dir, name)
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), mode))
}

// show runs Fairlead in the panel and, where there is none, in the foreground. It returns when Fairlead has ended.
func (s *stage) show(ctx context.Context) error {
	environment := []string{
		"KUBECONFIG=" + s.kubeconfig, "XDG_STATE_HOME=" + filepath.Join(s.dir, "state"), "XDG_CONFIG_HOME=" + filepath.Join(s.dir, "config"),
	}
	panel := &held{to: os.Stderr}
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
	// Without a desktop nothing needs the user's runtime directory, and a Fairlead of the user's own may answer there.
	runtime := filepath.Join(s.dir, "run")
	if err := os.MkdirAll(runtime, 0o700); err != nil {
		return err
	}
	environment = append(environment, "XDG_RUNTIME_DIR="+runtime)
	return s.run(ctx, environment, os.Stderr, func() { fmt.Print(s.fill(foregroundText)) }, "serve", "demo", "demo-team")
}

// run runs Fairlead until it ends, and calls up once it answers.
func (s *stage) run(ctx context.Context, environment []string, stderr io.Writer, up func(), args ...string) error {
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

// isUp reports whether the commands that are printed can be given: the Fairlead answers, and listens if it is to.
func (s *stage) isUp(ctx context.Context, listens bool) bool {
	if exec.CommandContext(ctx, filepath.Join(s.dir, "bin", "fairlead"), "status").Run() != nil {
		return false
	}
	return !listens || !isFree(s.ports[0]) && !isFree(s.ports[1])
}

// wrapper is a script that runs Fairlead with an environment: who calls it speaks to the Fairlead that was started so.
func wrapper(program string, environment []string) string {
	var b strings.Builder
	b.WriteString("#!/bin/sh\nexec env")
	for _, variable := range environment {
		b.WriteString(" " + quoted(variable))
	}
	fmt.Fprintf(&b, " %s \"$@\"\n", quoted(program))
	return b.String()
}

// quoted is a word of a shell's command line.
func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
