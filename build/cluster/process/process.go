// Package process runs the parts of a cluster as children that cannot outlive their parent. It does not restart them:
// the owner handles the error of a child that ends.
package process

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// tailLines is how many lines of its log the error of a child quotes.
const tailLines = 12

// Child is one running program. Its output goes to a log file.
type Child struct {
	name    string
	logPath string
	cmd     *exec.Cmd
	done    chan struct{}
	waitErr error
}

// Config describes what to run. All fields except Env are required.
type Config struct {
	Executable string
	Argv       []string // argv[0] included
	Dir        string
	// Log is the file that output is appended to; it is created with mode 0600.
	Log string
	// Env is the environment; nil means this process's.
	Env []string
}

// Start starts a program in its own process group. On Linux the kernel kills the child when the thread that started it
// ends, so the caller must stay locked to its thread (runtime.LockOSThread) while the child runs.
func Start(config Config) (*Child, error) {
	name := config.Argv[0]
	log, err := os.OpenFile(config.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", name, err)
	}
	defer log.Close()
	cmd := &exec.Cmd{
		Path: config.Executable, Args: config.Argv, Dir: config.Dir, Env: config.Env, Stdout: log, Stderr: log,
		SysProcAttr: attributes(),
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	c := &Child{name: name, logPath: config.Log, cmd: cmd, done: make(chan struct{})}
	go func() {
		c.waitErr = cmd.Wait()
		close(c.done)
	}()
	return c, nil
}

// Done is closed when the child has ended and been reaped.
func (c *Child) Done() <-chan struct{} { return c.done }

// PID returns the child's process id.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Err returns how the child ended, with the last lines of its log. It must not be called before Done is closed.
func (c *Child) Err() error {
	how := "exit status 0"
	if c.waitErr != nil {
		how = c.waitErr.Error()
	}
	return fmt.Errorf("%s ended: %s\n%s", c.name, how, tail(c.logPath))
}

// Stop asks the child to end, kills it after the grace period, and returns when it has been reaped.
func (c *Child) Stop(grace time.Duration) {
	// An error means that the child has already ended; the wait below notices that.
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-c.done:
		return
	case <-timer.C:
	}
	_ = c.cmd.Process.Kill()
	<-c.done
}

func tail(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	const window = 16 << 10
	if info, err := file.Stat(); err == nil && info.Size() > window {
		if _, err := file.Seek(-window, io.SeekEnd); err != nil {
			return ""
		}
	}
	content, err := io.ReadAll(file)
	if err != nil {
		return ""
	}
	lines := strings.Split(string(bytes.TrimSpace(content)), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}
