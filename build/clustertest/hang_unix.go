//go:build unix

package clustertest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// HangAPIServer stops or resumes the API server's process: while it is stopped the kernel accepts connections to it,
// and they get no answer. It works on Linux only. It returns when all threads have stopped: a signal is delivered
// asynchronously, and on a busy machine the server would still answer for a while.
func (c *Cluster) HangAPIServer(on bool) error {
	pid, err := c.child("kube-apiserver")
	if err != nil {
		return fmt.Errorf("hang the API server: %w", err)
	}
	signal := syscall.SIGCONT
	if on {
		signal = syscall.SIGSTOP
	}
	if err := syscall.Kill(pid, signal); err != nil {
		return fmt.Errorf("hang the API server: %w", err)
	}
	for deadline := time.Now().Add(10 * time.Second); on && !stopped(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return errors.New("hang the API server: it does not stop")
		}
	}
	return nil
}

// stopped reports whether every thread of a process has been stopped by a signal.
func stopped(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, thread := range threads {
		line, err := os.ReadFile(thread)
		// The state follows the program's name, which is in parentheses.
		if _, state, known := bytes.Cut(line, []byte(") ")); err == nil && (!known || state[0] != 'T') {
			return false
		}
	}
	return err == nil && len(threads) > 0
}

// child returns a descendant process of the launcher by its name.
func (c *Cluster) child(name string) (pid int, err error) {
	for pending := []int{c.PID()}; len(pending) > 0; pending = pending[1:] {
		for _, child := range childrenOf(pending[0]) {
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
			if program, _, _ := bytes.Cut(line, []byte{0}); err == nil && filepath.Base(string(program)) == name {
				return child, nil
			}
			pending = append(pending, child)
		}
	}
	return 0, errors.New("no process " + name)
}

func childrenOf(pid int) []int {
	// Each thread has its own children. The pattern is well-formed.
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var children []int
	for _, list := range lists {
		content, _ := os.ReadFile(list) // the thread may have ended
		for _, field := range bytes.Fields(content) {
			if child, err := strconv.Atoi(string(field)); err == nil {
				children = append(children, child)
			}
		}
	}
	return children
}
