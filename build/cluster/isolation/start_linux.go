package isolation

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// parentVariable and cgroupVariable are the environment variables that hold the process id of the launcher and the
// control group.
const (
	parentVariable = "FAIRLEAD_CLUSTER_LAUNCHER"
	cgroupVariable = "FAIRLEAD_CLUSTER_CGROUP"
)

// Confined is a running program.
type Confined struct {
	cgroup  string
	command *exec.Cmd
	janitor *exec.Cmd
	alive   io.Closer // closing it starts the janitor's work
	done    chan struct{}
	err     error
}

// Start starts the program. It must be called from a goroutine that stays locked to its thread while the program runs.
func Start(config Config) (_ *Confined, err error) {
	sweep()
	c := &Confined{cgroup: cgroupOf(os.Getpid()), done: make(chan struct{})}
	if err := c.startJanitor(config.Remove); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.clean())
		}
	}()
	if err := makeCgroup(c.cgroup); err != nil {
		return nil, err
	}
	c.command = &exec.Cmd{
		Path: "/proc/self/exe", Args: append([]string{InitName, strings.Join(config.Keep, ":")}, config.Argv...),
		Env:    append(os.Environ(), parentVariable+"="+strconv.Itoa(os.Getpid()), cgroupVariable+"="+c.cgroup),
		Stdout: os.Stdout, Stderr: os.Stderr, ExtraFiles: config.Files,
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
			Setpgid:    true,
			Pdeathsig:  syscall.SIGKILL,
		},
	}
	if err := c.command.Start(); err != nil {
		return nil, fmt.Errorf("start in namespaces: %w", err)
	}
	go func() {
		c.err = errors.Join(c.command.Wait(), c.clean())
		close(c.done)
	}()
	return c, nil
}

// PID returns the process id of the first process in the namespaces, as seen from outside.
func (c *Confined) PID() int { return c.command.Process.Pid }

// Done is closed when everything in the namespaces has ended and is cleaned up.
func (c *Confined) Done() <-chan struct{} { return c.done }

// Err returns how the program ended. It must not be called before Done is closed.
func (c *Confined) Err() error { return c.err }

// Stop asks the program to end, kills it after the grace period, and returns when it has ended.
func (c *Confined) Stop(grace time.Duration) {
	// An error means that it has already ended; the wait below notices that.
	_ = c.command.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-c.done:
		return
	case <-timer.C:
	}
	_ = c.command.Process.Kill()
	<-c.done
}

// startJanitor starts the process that cleans up. It outlives this one even if this one is killed.
func (c *Confined) startJanitor(remove string) error {
	c.janitor = &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{JanitorName, c.cgroup, remove}, Env: os.Environ(), Dir: "/",
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	alive, err := c.janitor.StdinPipe()
	if err != nil {
		return fmt.Errorf("start the janitor: %w", err)
	}
	c.alive = alive
	if err := c.janitor.Start(); err != nil {
		return fmt.Errorf("start the janitor: %w", err)
	}
	return nil
}

// clean makes the janitor clean up, and waits for it.
func (c *Confined) clean() error {
	_ = c.alive.Close() // an error means that the janitor is gone, which the wait reports
	if err := c.janitor.Wait(); err != nil {
		return fmt.Errorf("clean up after the namespaces: %w", err)
	}
	return nil
}

// Janitor is the main function of the process that cleans up; args are the control group and the directory to remove.
// It returns an exit status.
func Janitor(args []string) int {
	if len(args) != 2 {
		return 2
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until the launcher is gone
	status := 0
	if err := removeCgroup(args[0], 30*time.Second); err != nil {
		status = 1
	}
	if args[1] != "" && os.RemoveAll(args[1]) != nil {
		status = 1
	}
	return status
}

// Parent returns the process id of the launcher outside, and whether this process was confined by Start.
func Parent() (pid int, confined bool) {
	pid, err := strconv.Atoi(os.Getenv(parentVariable))
	return pid, err == nil
}

// Cgroup returns the path of the control group for this process's containers, which is the same in each hierarchy.
func Cgroup() string { return os.Getenv(cgroupVariable) }
