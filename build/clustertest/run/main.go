// Command run starts a cluster by hand: it builds the program of build/cluster when needed and runs it with the same
// arguments. With --build-only it prints the program's path instead. With --node=real (root, Linux) it also builds what
// the real node needs, with and without --build-only.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"fairlead/build/clustertest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err := run(ctx, os.Args[1:])
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		os.Exit(exit.ExitCode()) // the cluster has printed the reason
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	binary, err := clustertest.Binary(ctx, os.Stderr)
	if err != nil {
		return err
	}
	buildOnly := len(args) > 0 && args[0] == "--build-only"
	if buildOnly {
		args = args[1:]
	}
	if kind, containerd := wanted(args); kind == clustertest.RealNode {
		node, err := clustertest.NodeArgs(ctx, containerd, os.Stderr)
		if err != nil {
			return err
		}
		args = append(args, node...)
	}
	if buildOnly {
		_, err := fmt.Println(binary)
		return err
	}
	command := exec.CommandContext(ctx, binary, args...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	// A Ctrl-C also reaches the cluster through the terminal, which does no harm: it stops once.
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	err = command.Run()
	if ctx.Err() != nil && command.ProcessState != nil && command.ProcessState.Success() {
		return nil
	}
	return err
}

// wanted returns the kind of node and the version of containerd in the cluster's flags.
func wanted(args []string) (node, containerd string) {
	for i, arg := range args {
		name, value, ok := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !ok && i+1 < len(args) {
			value = args[i+1]
		}
		switch {
		case !strings.HasPrefix(arg, "-"):
		case name == "node":
			node = value
		case name == "containerd":
			containerd = value
		}
	}
	return node, containerd
}
