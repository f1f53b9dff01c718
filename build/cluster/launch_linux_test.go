package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// children returns the processes whose parent is pid.
func children(t *testing.T, pid int) map[int]string {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	found := map[int]string{}
	for _, path := range stats {
		content, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		// PID (COMM) STATE PPID …, and COMM may contain anything.
		_, after, _ := bytes.Cut(content, []byte(") "))
		fields := strings.Fields(string(after))
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err != nil {
				t.Fatal(err)
			}
			arguments, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
			name, _, _ := strings.Cut(string(arguments), "\x00")
			found[child] = name
		}
	}
	return found
}

func isGone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// orphaned waits until processes that were killed with their parent are reaped by the process that inherited them.
func orphaned(t *testing.T, processes map[int]string) {
	t.Helper()
	for pid, name := range processes {
		eventually(t, name+" is gone", func() bool {
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			_, after, _ := bytes.Cut(status, []byte(") "))
			return isGone(pid) || err != nil || bytes.HasPrefix(after, []byte("Z"))
		})
	}
}

func TestClustersRunSideBySideAndEndAlone(t *testing.T) {
	other := start(t, "--fixtures=false", "--websockets=translated")
	if other.State == shared.State || other.Control == shared.Control {
		t.Fatalf("%+v", other.announcement)
	}
	mine, theirs := shared.client(t), other.client(t)
	if pods, err := theirs.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{}); err != nil || len(pods.Items) != 0 {
		t.Errorf("%v, %d pods", err, len(pods.Items))
	}
	node, err := theirs.CoreV1().Nodes().Get(t.Context(), "node-1", metav1.GetOptions{})
	if err != nil || len(node.Status.DeclaredFeatures) != 0 {
		t.Errorf("%v, %v", err, node.Status.DeclaredFeatures)
	}
	processes := children(t, other.PID)
	if len(processes) != 4 {
		t.Errorf("children: %v", processes)
	}
	began := time.Now()
	if err := other.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	t.Logf("stopped after %v", time.Since(began))
	for pid, name := range processes {
		if !isGone(pid) {
			t.Errorf("%s still runs", name)
		}
	}
	if _, err := os.Stat(other.State); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state directory is left: %v", err)
	}
	if _, err := mine.CoreV1().Nodes().Get(t.Context(), "node-1", metav1.GetOptions{}); err != nil {
		t.Errorf("the other cluster: %v", err)
	}
}

func TestKilledLauncherTakesItsProcessesAlong(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	c, err := launch("--fixtures=false", "--state="+state)
	if err != nil {
		t.Fatal(err)
	}
	processes := children(t, c.PID)
	if len(processes) != 4 {
		t.Errorf("children: %v", processes)
	}
	if err := c.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := c.stop(); err == nil {
		t.Error("it was killed and ended well")
	}
	orphaned(t, processes)

	again := start(t, "--controllers=false", "--state="+state)
	if _, err := launch("--state=" + state); err == nil || !strings.Contains(err.Error(), "another cluster runs in it") {
		t.Errorf("a second cluster in the same directory: %v", err)
	}
	if processes := children(t, again.PID); len(processes) != 2 {
		t.Errorf("children without controllers: %v", processes)
	}
	if err := again.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if _, err := os.Stat(filepath.Join(state, "kube-apiserver.log")); err != nil {
		t.Errorf("a state directory of the caller's is kept: %v", err)
	}
}

func TestClusterEndsWhenAPartOfItDies(t *testing.T) {
	c, err := launch("--fixtures=false", "--audit")
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(c.log)
	if info, err := os.Stat(filepath.Join(c.State, "audit.log")); err != nil || info.Size() == 0 {
		t.Errorf("audit log: %v", err)
	}
	processes := children(t, c.PID)
	for pid, name := range processes {
		if name == "kube-scheduler" {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	<-c.ended
	said, err := os.ReadFile(c.log)
	if err != nil {
		t.Fatal(err)
	}
	if c.endErr == nil || !strings.Contains(string(said), "kube-scheduler ended: signal: killed") {
		t.Errorf("%v\n%s", c.endErr, said)
	}
	for pid, name := range processes {
		if !isGone(pid) {
			t.Errorf("%s still runs", name)
		}
	}
	if _, err := os.Stat(c.State); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state directory is left: %v", err)
	}
}
