// Package clustertest starts real Kubernetes clusters for tests and for the demonstration: it builds the program of
// build/cluster when needed, runs it, and uses its control socket. The cluster runs in its own processes, which end
// with the test even if the test is killed. The package has no Kubernetes client: tests use their own, or Kubectl.
package clustertest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// startTimeout bounds a start, and stopTimeout an orderly stop, before the cluster is killed.
const (
	startTimeout = 3 * time.Minute
	stopTimeout  = 10 * time.Second
)

// Options describes the cluster to start. The zero value has all fixtures and passes WebSockets through to the node.
type Options struct {
	// WebSocketsTranslated makes the API server translate WebSocket upgrades to SPDY, as it does for nodes before 1.36.
	WebSocketsTranslated bool
	// NoFixtures leaves the cluster empty except for the users and the namespace team.
	NoFixtures bool
	// NoControllers omits the controller manager and the scheduler, and with them the fixtures. Pods must be bound to
	// the node with spec.nodeName "node-1".
	NoControllers bool
	// Audit writes the API server's audit log to audit.log in the state directory.
	Audit bool
	// Crowd is the number of Services in the cluster at its start, each with two Pods: svc-000 to svc-099 in the
	// namespaces crowd-000 and so on, port 80. The Pods of svc-000 to svc-009 run, and answer HTTP. 0 means none.
	Crowd int
	// Node is the kind of node: StreamingNode, which is the default, or RealNode.
	Node string
	// Containerd is the version of the real node's container runtime: Containerd16, which is the default, or
	// Containerd22.
	Containerd string
	// Log receives the progress of the build and of the start; nil discards it.
	Log io.Writer
}

// Kinds of node.
const (
	// StreamingNode is a node whose Pods are programs in the cluster's own process.
	StreamingNode = "streaming"
	// RealNode has the real kubelet, containerd, runc and a CNI bridge, in their own namespaces. It needs root, Linux
	// and those programs. It has no counters and no fault injection; those methods fail.
	RealNode = "real"
)

// Versions of containerd.
const (
	Containerd16 = "1.6" // Debian's
	Containerd22 = "2.2" // built from its module
)

// Cluster is a running cluster.
type Cluster struct {
	// Kubeconfig has the contexts demo (cluster-admin) and demo-team (user alice, namespace team only).
	Kubeconfig string
	// KubeconfigToken has demo-token (user bob, who may open port-forwards with the verb create only) and demo-reader
	// (user carol, who may open none). Both log in with a static token and have access to the namespace team only.
	KubeconfigToken string
	// KubeconfigMiddlebox has demo and demo-team with tokens, through the middlebox in front of the API server.
	KubeconfigMiddlebox string
	// State is the cluster's directory, with the logs of its parts.
	State string

	binary  string
	client  *http.Client
	command *exec.Cmd
	stdin   io.Closer
	output  *logTail
	ended   chan struct{}
	waitErr error
	stop    sync.Once
	stopErr error
}

// Start starts a cluster for a test and stops it when the test is over.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	if o.Log == nil {
		o.Log = os.Stderr
	}
	c, err := Launch(t.Context(), o)
	if err != nil {
		t.Fatalf("start a cluster: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Errorf("stop the cluster: %v", err)
		}
	})
	return c
}

// Launch starts a cluster and returns when it is ready; the caller must call Stop. Canceling ctx ends the start, not
// the cluster.
func Launch(ctx context.Context, o Options) (*Cluster, error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	binary, err := Binary(ctx, o.Log)
	if err != nil {
		return nil, err
	}
	args := []string{"--json", "--exit-with-stdin"}
	if o.WebSocketsTranslated {
		args = append(args, "--websockets=translated")
	}
	if o.NoFixtures {
		args = append(args, "--fixtures=false")
	}
	if o.NoControllers {
		args = append(args, "--controllers=false")
	}
	if o.Audit {
		args = append(args, "--audit")
	}
	if o.Crowd > 0 {
		args = append(args, fmt.Sprintf("--crowd=%d", o.Crowd))
	}
	if o.Node == RealNode {
		node, err := NodeArgs(ctx, o.Containerd, o.Log)
		if err != nil {
			return nil, err
		}
		args = append(args, node...)
	}
	c := &Cluster{binary: binary, output: &logTail{w: o.Log}, ended: make(chan struct{})}
	c.command = exec.Command(binary, args...)
	c.command.Stderr = c.output
	c.command.SysProcAttr = attributes()
	if c.stdin, err = c.command.StdinPipe(); err != nil {
		return nil, fmt.Errorf("cluster's standard input: %w", err)
	}
	announcements, stdout, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cluster's output: %w", err)
	}
	defer func() { _ = announcements.Close() }()
	c.command.Stdout = stdout
	err = c.command.Start()
	_ = stdout.Close()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	go func() {
		c.waitErr = c.command.Wait()
		close(c.ended)
	}()
	if err := c.awaitReady(ctx, announcements); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// NodeArgs returns the arguments with which the cluster's program starts a real node with a version of containerd; ""
// means Containerd16. It builds the programs that they name if the user's cache does not have them.
func NodeArgs(ctx context.Context, containerd string, progress io.Writer) ([]string, error) {
	source, err := sourceDir()
	if err != nil {
		return nil, err
	}
	program, err := product{
		name: "the programs of the Pods", cache: "program", source: source, file: "program",
		args: []string{"-trimpath", "-ldflags", "-s -w", "./program/run"}, env: []string{"CGO_ENABLED=0"},
	}.cached(ctx, progress)
	if err != nil {
		return nil, err
	}
	args := []string{"--node=" + RealNode, "--program=" + program}
	switch containerd {
	case "", Containerd16:
		return append(args, "--containerd="+Containerd16), nil
	case Containerd22:
	default:
		return nil, fmt.Errorf("containerd %s: there are %s and %s", containerd, Containerd16, Containerd22)
	}
	dir, err := product{
		name: "containerd", cache: "containerd", source: filepath.Join(source, "containerd"), file: "bin", directory: true, slow: true,
		args: []string{"-trimpath", "-tags", "no_btrfs,no_zfs,no_devmapper", "-ldflags", "-s -w " + containerdVersion, "tool"},
		env:  []string{"CGO_ENABLED=0"},
	}.cached(ctx, progress)
	if err != nil {
		return nil, err
	}
	return append(args, "--containerd="+Containerd22, "--containerd-dir="+dir), nil
}

// containerdVersion is the linker flag that sets the version that containerd reports.
const containerdVersion = "-X github.com/containerd/containerd/v2/version.Version=v2.2.9"

// awaitReady reads the announcement of the cluster when it is ready.
func (c *Cluster) awaitReady(ctx context.Context, announcements *os.File) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("not ready after %s", startTimeout))
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = announcements.SetReadDeadline(time.Unix(1, 0)) })()
	line, err := bufio.NewReader(announcements).ReadBytes('\n')
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("wait for the cluster: %w\n%s", err, c.output)
	}
	var a struct{ Kubeconfig, KubeconfigToken, KubeconfigMiddlebox, State, Control string }
	if err := json.Unmarshal(line, &a); err != nil {
		return fmt.Errorf("cluster's announcement: %w", err)
	}
	c.Kubeconfig, c.KubeconfigToken, c.KubeconfigMiddlebox = a.Kubeconfig, a.KubeconfigToken, a.KubeconfigMiddlebox
	c.State = a.State
	c.client = &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, // so that a test's check for leaks finds no connections
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", a.Control)
		},
	}}
	return nil
}

// Stop stops the cluster and returns when its processes are gone and its state directory is removed. It may be called
// more than once.
func (c *Cluster) Stop() error {
	c.stop.Do(func() {
		_ = c.stdin.Close() // the cluster stops at its end; an error means that it has ended
		timer := time.NewTimer(stopTimeout)
		defer timer.Stop()
		select {
		case <-c.ended:
		case <-timer.C:
			_ = c.command.Process.Kill()
			<-c.ended
		}
		if c.waitErr != nil {
			c.stopErr = fmt.Errorf("cluster: %w\n%s", c.waitErr, c.output)
		}
	})
	return c.stopErr
}

// Running reports whether the cluster's launcher is still running.
func (c *Cluster) Running() bool {
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}

// PID returns the process id of the cluster's launcher.
func (c *Cluster) PID() int { return c.command.Process.Pid }

// Kubectl runs kubectl on the context demo, unless args name another, and returns its standard output. The error of a
// failed command contains its standard error.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) ([]byte, error) {
	command := c.KubectlCommand(ctx, args...)
	var stderr strings.Builder
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		return output, fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return output, nil
}

// KubectlCommand returns a kubectl command on the context demo, ready to be started, for subcommands that run longer,
// as port-forward does.
func (c *Cluster) KubectlCommand(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, c.binary, append([]string{"kubectl"}, args...)...)
	command.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig, "KUBECACHEDIR="+c.State+"/kubectl")
	command.WaitDelay = stopTimeout
	return command
}

// logTail is a writer that passes a log on and keeps its last bytes.
type logTail struct {
	w io.Writer

	mu   sync.Mutex
	last []byte
}

// Write passes p on and ignores errors, which must not disturb the cluster.
func (l *logTail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.w.Write(p)
	l.last = append(l.last, p...)
	if excess := len(l.last) - 4096; excess > 0 {
		l.last = append(l.last[:0], l.last[excess:]...)
	}
	return len(p), nil
}

// String returns the end of the log.
func (l *logTail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.last)
}
