// Package process runs the programs that a benchmark drives, and measures their processor time, memory and goroutines.
// A program started here dies with this one. Linux only.
package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// stopWithin is how long a program may take to end after SIGTERM.
const stopWithin = 5 * time.Second

// Config describes what to run.
type Config struct {
	Path string
	Args []string
	Env  []string // added to this process's own, which is cleared of proxy settings
	Dir  string   // of the file NAME.log with the program's standard error; it must exist
	Name string   // for that file and for error messages
}

// A Process is a started program. Its standard input stays open until Stop, so that it can tell when its parent has
// ended.
type Process struct {
	name  string
	pid   int
	log   string
	lines chan string // of standard output; closed at its end
	stdin io.Closer
	done  chan struct{}
	err   error // how it ended; read after done
}

// Start starts a program. The caller must Stop it.
func Start(c Config) (*Process, error) {
	log := filepath.Join(c.Dir, c.Name+".log")
	stderr, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = stderr.Close() }()
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Env = append(withoutProxies(os.Environ()), c.Env...)
	cmd.Stderr = stderr
	// Ctrl-C in a terminal is for the benchmark only, which stops its programs in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, stdoutWriter, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = stdoutWriter
	p := &Process{name: c.Name, log: log, stdin: stdin, lines: make(chan string, 64), done: make(chan struct{})}
	started := make(chan error, 1)
	go p.own(cmd, started)
	err = errors.Join(<-started, stdoutWriter.Close())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", c.Name, err), stdout.Close())
	}
	go p.scan(stdout)
	return p, nil
}

// own starts the program and waits for its end on one thread: the kernel treats the end of the thread as the parent's
// death.
func (p *Process) own(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	if err == nil {
		p.pid = cmd.Process.Pid
	}
	started <- err
	if err != nil {
		return
	}
	p.err = cmd.Wait()
	close(p.done)
}

// scan passes on the first lines and discards the rest, so that the program never blocks on its output.
func (p *Process) scan(stdout io.ReadCloser) {
	defer close(p.lines)
	defer stdout.Close()
	for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
		select {
		case p.lines <- scanner.Text():
		default:
		}
	}
}

// Line returns the next line that the program prints. If the program ends instead, the error has its last lines of
// standard error.
func (p *Process) Line(ctx context.Context) (string, error) {
	select {
	case line, ok := <-p.lines:
		if ok {
			return line, nil
		}
		<-p.done
		return "", fmt.Errorf("%s ended (%v): %s", p.name, p.err, p.lastWords())
	case <-ctx.Done():
		return "", fmt.Errorf("wait for %s: %w; its last output: %s", p.name, context.Cause(ctx), p.lastWords())
	}
}

// Ended returns a channel that is closed when the program has ended.
func (p *Process) Ended() <-chan struct{} { return p.done }

// Stop ends the program and waits for it: it closes its standard input and sends SIGTERM, and after some seconds
// SIGKILL. How the program ended is not reported.
func (p *Process) Stop() {
	// The pipe may already be closed, if the program has ended.
	_ = p.stdin.Close()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopWithin):
		p.signal(syscall.SIGKILL)
		<-p.done
	}
}

func (p *Process) signal(s syscall.Signal) {
	select {
	case <-p.done:
	default:
		// It may end at this moment; its process id is not reused before Wait, or soon after.
		_ = syscall.Kill(p.pid, s)
	}
}

func (p *Process) lastWords() string {
	const few = 600
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	if len(text) > few {
		text = text[len(text)-few:]
	}
	return strings.TrimSpace(string(text))
}

func withoutProxies(environment []string) []string {
	var kept []string
	for _, entry := range environment {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasSuffix(strings.ToLower(name), "_proxy") {
			kept = append(kept, entry)
		}
	}
	return kept
}
