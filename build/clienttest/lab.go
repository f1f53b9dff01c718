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

// A lab is the cluster, the proxy into it, and the servers that stand in it.
type lab struct {
	dir     string // a home for the programs, removed at the end
	cluster *clustertest.Cluster
	proxy   netip.AddrPort
	login   credentials    // that proxy wants; none by default
	locked  netip.AddrPort // another one into the same cluster, which wants them
	http    *seenServer    // a web server that remembers who asked
	address string         // the ClusterIP of the Service hello

	processes []*exec.Cmd // what runs until the end
	closing   []func() error
}

// credentials are what a proxy wants of its clients.
type credentials struct{ user, password string }

// wanted are those of the locked proxy: a password that no program must take apart.
var wanted = credentials{"me", "it's-5&100%"}

// withPassword is the lab with its locked proxy in the other one's place.
func (l *lab) withPassword() *lab {
	locked := *l
	locked.proxy, locked.login = l.locked, wanted
	return &locked
}

// newLab starts everything. It returns what it has started also with an error: close ends it.
func newLab(ctx context.Context) (*lab, error) {
	l := &lab{}
	dir, err := os.MkdirTemp("", "clienttest-")
	if err != nil {
		return l, err
	}
	l.dir = dir
	l.closing = append(l.closing, func() error { return os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { // PostgreSQL runs as a user of its own, below it
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

// build compiles a Go program in a directory beside this file.
func (l *lab) build(ctx context.Context, dir, output, what string) error {
	command := exec.CommandContext(ctx, "go", "build", "-o", output, what)
	command.Dir = beside(dir)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", what, err, out)
	}
	return nil
}

// beside is a path relative to this file.
func beside(path string) string {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}

// serve starts fairlead serve with a configuration of its own, and reads where it listens.
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
	defer log.Close()
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
		return none, errors.Join(fmt.Errorf("fairlead serve says nothing: %w", err), l.complaints())
	}
	_, address, _ := strings.Cut(strings.TrimSpace(line), "socks5h://")
	return netip.ParseAddrPort(address)
}

// start starts a process that lasts as long as the lab.
func (l *lab) start(command *exec.Cmd) error {
	if err := command.Start(); err != nil {
		return err
	}
	l.processes = append(l.processes, command)
	return nil
}

// close ends what the lab has started, the last first.
func (l *lab) close() error {
	var errs []error
	for i := len(l.processes) - 1; i >= 0; i-- {
		p := l.processes[i]
		_ = p.Process.Signal(syscall.SIGINT) // it may have ended by itself
		timer := time.AfterFunc(15*time.Second, func() { _ = p.Process.Kill() })
		_ = p.Wait() // by a signal: no status is an error here
		timer.Stop()
	}
	for i := len(l.closing) - 1; i >= 0; i-- {
		errs = append(errs, l.closing[i]())
	}
	return errors.Join(errs...)
}

// environment is that of a user without any proxy set. Programs keep what they write below the lab.
func (l *lab) environment() []string {
	env := []string{"HOME=" + l.dir, "LANG=C.UTF-8", "GIT_TERMINAL_PROMPT=0", "NODE_PATH=" + filepath.Join(l.dir, "node_modules")}
	for _, name := range []string{"PATH", "USER", "GOPATH", "GOMODCACHE", "GOCACHE", "GOPROXY", "GOFLAGS", "GOSUMDB", "GONOSUMDB"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	// Go looks for its caches below HOME, and would compile its library anew.
	if cache, err := os.UserCacheDir(); err == nil && os.Getenv("GOCACHE") == "" {
		env = append(env, "GOCACHE="+filepath.Join(cache, "go-build"))
	}
	return env
}

// complaints are the lines of Fairlead's log that say that Fairlead itself is broken: whatever a client does, there are
// none.
func (l *lab) complaints() error {
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
		return fmt.Errorf("fairlead complains:\n%s", strings.Join(lines, ""))
	}
	return nil
}

// run runs a program to its end and gives what it wrote. The error of one that fails has that text.
func (l *lab) run(ctx context.Context, name string, args ...string) (string, error) {
	return l.runWith(ctx, nil, "", name, args...)
}

func (l *lab) runWith(ctx context.Context, env []string, input, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = l.dir
	command.Env = append(l.environment(), env...)
	command.Stdin = strings.NewReader(input)
	// What the program has started ends with it.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = 5 * time.Second
	out, err := command.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// file writes a file below the lab and gives its path.
func (l *lab) file(name, content string) (string, error) {
	path := filepath.Join(l.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, []byte(content), 0o600)
}

// snippet is what a user copies for a kind; target is the URL it asks for, "" for one to be filled in.
func (l *lab) snippet(kind, target string) (string, error) {
	s, err := snippet.Make(kind, snippet.Proxy{Address: l.proxy, User: l.login.user, Password: l.login.password, Target: target})
	return s.Text, err
}

// shown is the snippet as the table shows it.
func (l *lab) shown(kind string) string {
	s, err := snippet.Make(kind, snippet.Proxy{Address: netip.MustParseAddrPort(usual)})
	if err != nil {
		return err.Error()
	}
	return s.Text
}

// url is the proxy's, by scheme.
func (l *lab) url(scheme string) string { return scheme + "://" + l.proxy.String() }

// door stands a server of this machine in a pod behind a Service, and gives the Service's name.
func (l *lab) door(ctx context.Context, name, local string, port int) (string, error) {
	objects, err := l.file(name+".yaml", fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %[1]s, labels: {app: %[1]s}, annotations: {fairlead.test/door: "%[2]s"}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: door, image: demo.local/door, ports: [{name: main, containerPort: 8000}]}]
---
apiVersion: v1
kind: Service
metadata: {name: %[1]s}
spec: {selector: {app: %[1]s}, ports: [{name: main, port: %[3]d, targetPort: main}]}
`, name, local, port))
	if err != nil {
		return "", err
	}
	if _, err := l.cluster.Kubectl(ctx, "apply", "-f", objects); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, fmt.Errorf("endpoints of %s: none is ready", name))
	defer cancel()
	for {
		ready, err := l.cluster.Kubectl(ctx, "get", "endpointslices", "-l", "kubernetes.io/service-name="+name,
			"-o", "jsonpath={.items[*].endpoints[*].conditions.ready}")
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if err == nil && strings.Contains(string(ready), "true") {
			return name + ".default.svc.cluster.local", nil
		}
	}
}

// free is a loopback address that nobody listens on.
func free() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// await waits until a server of this machine takes connections.
func await(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, fmt.Errorf("nobody listens on %s", address))
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
