package main

import (
	"syscall"
	"testing"
)

func TestNoCommandWaitsForAFairleadThatHangs(t *testing.T) {
	r := serving(t, "demo")
	if err := r.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.cmd.Process.Signal(syscall.SIGCONT) }()
	for _, args := range [][]string{{"status"}, {"on", "demo"}} {
		if got := r.ask(t, args...); got.status != 1 || got.stderr != "fairlead: the running Fairlead does not answer: end it, and start it again\n" {
			t.Errorf("%s of a Fairlead that hangs: %+v", args, got)
		}
	}
}
