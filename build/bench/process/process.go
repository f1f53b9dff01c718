// Package process runs the programs that a benchmark drives, and reads what they cost: processor time, memory,
// goroutines. A program started here dies with this one. It knows nothing of what the programs do. Linux only.
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

// stopWithin is what a program gets to end after SIGTERM.
const stopWithin = 5 * time.Second

// Config says what to run.
type Config struct {
	Path string
	Args []string
	Env  []string // added to this process's own, which is cleared of proxy settings
	Dir  string   // where the file NAME.log with the program's standard error goes; it must exist
	Name string   // for that file and for errors
}

// A Process is a program that was started. Its standard input stays open until Stop, as a sign of life.
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
	defer stderr.Close()
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Env = append(withoutProxies(os.Environ()), c.Env...)
	cmd.Stderr = stderr
	// Ctrl-C in a terminal is for the benchmark alone, which stops its programs in order.
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

// own starts the program and waits for its end on one thread: the kernel takes the thread's end for the parent's death.
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

// scan hands on the first lines and reads the rest away: a program must never wait for us to listen.
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

// Line returns the next line that the program prints. When it ends instead, the error has its last words.
func (p *Process) Line(ctx context.Context) (string, error) {
	select {
	case line, ok := <-p.lines:
		if ok {
			return line, nil
		}
		<-p.done
		return "", fmt.Errorf("%s ended (%v): %s", p.name, p.err, p.lastWords())
	case <-ctx.Done():
		return "", fmt.Errorf("wait for %s: %w; it said: %s", p.name, context.Cause(ctx), p.lastWords())
	}
}

// Ended is closed when the program has ended.
func (p *Process) Ended() <-chan struct{} { return p.done }

// Stop ends the program and waits for it: its standard input is closed and SIGTERM sent, and after some seconds
// SIGKILL. How it ended is no error.
func (p *Process) Stop() {
	// The pipe may be closed already, by a program that ended.
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
		// It may end at this very moment; its number is not given out again before Wait, or soon after.
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
