//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"fairlead/app/snippet"
	"fairlead/build/clustertest"
)

// A lab is the cluster, the proxy into it, and the servers behind its pods.
type lab struct {
	dir     string // the home directory of the programs, removed at the end
	cluster *clustertest.Cluster
	proxy   netip.AddrPort
	login   credentials    // for that proxy; none by default
	locked  netip.AddrPort // another proxy into the same cluster, which requires them
	http    *seenServer    // a web server that records its requests
	address string         // the ClusterIP of the Service hello

	processes []*exec.Cmd // that run until the end
	closing   []func() error
}

// credentials are the user and the password for a proxy.
type credentials struct{ user, password string }

// wanted are the credentials of the locked proxy: a password with characters that need escaping.
var wanted = credentials{"me", "it's-5&100%"}

// withPassword returns the lab with its locked proxy in place of the other one.
func (l *lab) withPassword() *lab {
	locked := *l
	locked.proxy, locked.login = l.locked, wanted
	return &locked
}

// newLab starts everything. Even with an error it returns what it has started, which close ends.
func newLab(ctx context.Context) (*lab, error) {
	l := &lab{}
	dir, err := os.MkdirTemp("", "clienttest-")
	if err != nil {
		return l, err
	}
	l.dir = dir
	l.closing = append(l.closing, func() error { return os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { // PostgreSQL runs below it as another user
		return l, err
	}
	program := filepath.Join(dir, "fairlead")
	if err := l.build(ctx, "../..", program, "fairlead/app"); err != nil {
		return l, err
	}
	l.cluster, err = clustertest.Launch(ctx, clustertest.Options{Log: os.Stderr})
	if err != nil {
		return l, err
	}
	l.closing = append(l.closing, l.cluster.Stop)
	if l.proxy, err = l.serve(ctx, program, "open", ""); err != nil {
		return l, err
	}
	settings := fmt.Sprintf("defaults: {password: {user: %q, password: %q}}\n", wanted.user, wanted.password)
	if l.locked, err = l.serve(ctx, program, "locked", settings); err != nil {
		return l, err
	}
	address, err := l.cluster.Kubectl(ctx, "get", "service", "hello", "-o", "jsonpath={.spec.clusterIP}")
	if err != nil {
		return l, err
	}
	l.address = strings.TrimSpace(string(address))
	return l, l.servers(ctx)
}

// build compiles a Go program in a directory relative to this file.
func (l *lab) build(ctx context.Context, dir, output, what string) error {
	command := exec.CommandContext(ctx, "go", "build", "-o", output, what)
	command.Dir = sourcePath(dir)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", what, err, out)
	}
	return nil
}

// sourcePath returns the path of a file in the directory of this file.
func sourcePath(path string) string {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}

// serve starts fairlead serve with its own configuration, and returns its address.
func (l *lab) serve(ctx context.Context, program, name, settings string) (netip.AddrPort, error) {
	var none netip.AddrPort
	if _, err := l.file(name+"/config/fairlead/config.yaml", settings); err != nil {
		return none, err
	}
	command := exec.Command(program, "serve", "--kubeconfig", l.cluster.Kubeconfig, "--listen", "127.0.0.1:0", "demo")
	command.Env = append(l.environment(), "XDG_STATE_HOME="+filepath.Join(l.dir, name, "state"), "XDG_CONFIG_HOME="+filepath.Join(l.dir, name, "config"))
	log, err := os.Create(filepath.Join(l.dir, name+".err"))
	if err != nil {
		return none, err
	}
	defer func() { _ = log.Close() }()
	command.Stderr = log
	stdout, err := command.StdoutPipe()
	if err != nil {
		return none, err
	}
	if err := l.start(command); err != nil {
		return none, err
	}
	defer context.AfterFunc(ctx, func() { _ = stdout.Close() })() // ends the read
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return none, errors.Join(fmt.Errorf("fairlead serve prints nothing: %w", err), l.loggedErrors())
	}
	_, address, _ := strings.Cut(strings.TrimSpace(line), "socks5h://")
	return netip.ParseAddrPort(address)
}

// start starts a process that runs until the lab is closed.
func (l *lab) start(command *exec.Cmd) error {
	if err := command.Start(); err != nil {
		return err
	}
	l.processes = append(l.processes, command)
	return nil
}

// close stops what the lab has started, the last first.
func (l *lab) close() error {
	var errs []error
	for i := len(l.processes) - 1; i >= 0; i-- {
		p := l.processes[i]
		_ = p.Process.Signal(syscall.SIGINT) // it may have ended by itself
		timer := time.AfterFunc(15*time.Second, func() { _ = p.Process.Kill() })
		_ = p.Wait() // ended by a signal: any status is fine
		timer.Stop()
	}
	for i := len(l.closing) - 1; i >= 0; i-- {
		errs = append(errs, l.closing[i]())
	}
	return errors.Join(errs...)
}

// environment returns the environment of a user without proxy settings. Programs write their files below the lab's
// directory.
func (l *lab) environment() []string {
	env := []string{"HOME=" + l.dir, "LANG=C.UTF-8", "GIT_TERMINAL_PROMPT=0", "NODE_PATH=" + filepath.Join(l.dir, "node_modules")}
	for _, name := range []string{"PATH", "USER", "GOPATH", "GOMODCACHE", "GOCACHE", "GOPROXY", "GOFLAGS", "GOSUMDB", "GONOSUMDB"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	// Go has its caches below HOME, and would compile its library again.
	if cache, err := os.UserCacheDir(); err == nil && os.Getenv("GOCACHE") == "" {
		env = append(env, "GOCACHE="+filepath.Join(cache, "go-build"))
	}
	return env
}

// loggedErrors returns an error with the lines of Fairlead's log about errors of Fairlead itself, which must not occur
// whatever a client does.
func (l *lab) loggedErrors() error {
	var lines []string
	for _, name := range []string{"open.err", "locked.err"} {
		content, err := os.ReadFile(filepath.Join(l.dir, name))
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(content)) {
			if strings.Contains(line, " ERR ") || strings.Contains(line, "panic") || strings.HasPrefix(line, "fairlead: ") {
				lines = append(lines, line)
			}
		}
	}
	if len(lines) > 0 {
		return fmt.Errorf("fairlead logged errors:\n%s", strings.Join(lines, ""))
	}
	return nil
}

// run runs a program to its end and returns its output, which is also in the error of a program that fails.
func (l *lab) run(ctx context.Context, name string, args ...string) (string, error) {
	return l.runWith(ctx, nil, "", name, args...)
}

func (l *lab) runWith(ctx context.Context, env []string, input, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = l.dir
	command.Env = append(l.environment(), env...)
	command.Stdin = strings.NewReader(input)
	// The program's children end with it.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = 5 * time.Second
	out, err := command.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// file writes a file below the lab's directory and returns its path.
func (l *lab) file(name, content string) (string, error) {
	path := filepath.Join(l.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, []byte(content), 0o600)
}

// snippet returns what a user copies for a kind; target is the URL in it, "" for a placeholder.
func (l *lab) snippet(kind, target string) (string, error) {
	s, err := snippet.Make(kind, snippet.Proxy{Address: l.proxy, User: l.login.user, Password: l.login.password, Target: target})
	return s.Text, err
}

// shown returns the snippet for the table.
func (l *lab) shown(kind string) string {
	s, err := snippet.Make(kind, snippet.Proxy{Address: netip.MustParseAddrPort(usual)})
	if err != nil {
		return err.Error()
	}
	return s.Text
}

// url returns the proxy's URL with a scheme.
func (l *lab) url(scheme string) string { return scheme + "://" + l.proxy.String() }

// door creates a Pod that connects to a server of this machine, and a Service for it, and waits until it is ready.
func (l *lab) door(ctx context.Context, name, local string, port int) error {
	objects, err := l.file(name+".yaml", clustertest.Door(name, local, port))
	if err != nil {
		return err
	}
	if _, err := l.cluster.Kubectl(ctx, "apply", "-f", objects); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return l.cluster.WaitReady(ctx, name)
}

// freeAddress returns a loopback address on which nothing listens.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// await waits until a server of this machine accepts connections.
func await(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, fmt.Errorf("nothing listens on %s", address))
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
