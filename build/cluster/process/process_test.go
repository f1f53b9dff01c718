package process

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func start(t *testing.T, script string) *Child {
	t.Helper()
	runtime.LockOSThread()
	dir := t.TempDir()
	c, err := Start(Config{
		Executable: "/bin/sh", Argv: []string{"sh", "-c", script}, Dir: dir, Log: filepath.Join(dir, "log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop(0) })
	return c
}

func TestEndedChildIsQuotedWithTheEndOfItsLog(t *testing.T) {
	c := start(t, "for i in $(seq 100); do echo line $i; done; echo the reason >&2; exit 3")
	<-c.Done()
	err := c.Err()
	for _, want := range []string{"sh ended: exit status 3", "line 100\nthe reason"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "line 50\n") {
		t.Errorf("all of the log: %v", err)
	}
}

func TestStopAsksFirst(t *testing.T) {
	c := start(t, "trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.05; done")
	awaitLog(t, c, "up\n")
	c.Stop(time.Minute)
	if content := readLog(t, c); content != "up\nasked\n" {
		t.Errorf("%q", content)
	}
}

func TestStopKillsWhatDoesNotListen(t *testing.T) {
	c := start(t, "trap '' TERM; echo up; while :; do sleep 0.05; done")
	awaitLog(t, c, "up\n")
	c.Stop(50 * time.Millisecond)
	if err := c.Err(); !strings.Contains(err.Error(), "signal: killed") {
		t.Error(err)
	}
}

func TestLogIsPrivate(t *testing.T) {
	c := start(t, "echo secret")
	<-c.Done()
	if info, err := os.Stat(c.logPath); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func readLog(t *testing.T, c *Child) string {
	t.Helper()
	content, err := os.ReadFile(c.logPath)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func awaitLog(t *testing.T, c *Child, want string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for readLog(t, c) != want {
		if time.Now().After(deadline) {
			t.Fatalf("the log is %q, not %q", readLog(t, c), want)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
