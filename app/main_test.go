package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"fairlead/build/clustertest"
	"fairlead/build/testoutput"
)

// The tests of this package run the built program against a real cluster. Both are created once.
var (
	built   string               // the path of the built fairlead
	cluster *clustertest.Cluster // with its fixtures
)

func TestMain(m *testing.M) {
	if name := os.Getenv(probeVariable); name != "" {
		probe(name)
		return
	}
	status, err := withProgramAndCluster(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(status)
}

func withProgramAndCluster(run func() int) (status int, err error) {
	dir, err := os.MkdirTemp("", "fairlead-test-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	built = filepath.Join(dir, "fairlead")
	// The program is built with the race detector, so that a race in it fails the test that caused it.
	build := exec.Command("go", "build", "-race", "-o", built, "fairlead/app")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build fairlead: %w\n%s", err, out)
	}
	cluster, err = clustertest.Launch(context.Background(), clustertest.Options{Log: os.Stderr})
	if err != nil {
		return 1, err
	}
	noCurrent = filepath.Join(dir, "no-current-context.yaml")
	if err := writeWithoutCurrent(noCurrent, cluster.Kubeconfig); err != nil {
		return 1, errors.Join(err, cluster.Stop())
	}
	status = run()
	return status, cluster.Stop()
}

// noCurrent is the cluster's kubeconfig without a current context, which the menu would mark and move to the top.
var noCurrent string

// writeWithoutCurrent writes a copy of a kubeconfig that has no current context.
func writeWithoutCurrent(file, kubeconfig string) error {
	config, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		return err
	}
	config.CurrentContext = ""
	return clientcmd.WriteToFile(*config, file)
}

// A running is a fairlead process that a test started.
type running struct {
	cmd    *exec.Cmd
	state  string // its XDG_STATE_HOME
	lines  chan string
	stderr *testoutput.Buffer
	ended  chan struct{}
	err    error
}

// start runs fairlead with args, in a state directory of its own unless env sets another. It ends with the test.
func start(t *testing.T, env []string, args ...string) *running {
	t.Helper()
	r := &running{state: t.TempDir(), lines: make(chan string, 100), stderr: &testoutput.Buffer{}, ended: make(chan struct{})}
	r.cmd = exec.Command(built, args...)
	r.cmd.Env = append(r.home(), env...)
	r.cmd.Stderr = r.stderr
	stdout, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.ended)
		scanner := bufio.NewScanner(stdout)
		for scanner.Scan() {
			r.lines <- scanner.Text()
		}
		close(r.lines)
		r.err = r.cmd.Wait()
	}()
	t.Cleanup(func() {
		r.stop(t)
		if t.Failed() {
			t.Logf("fairlead %s said on stderr:\n%s", strings.Join(args, " "), r.stderr)
		}
		if strings.Contains(r.stderr.String(), "DATA RACE") {
			t.Errorf("a data race in fairlead:\n%s", r.stderr)
		}
	})
	return r
}

// home returns the environment of a program that shares its state, settings and control socket only with r.
func (r *running) home() []string {
	return append(os.Environ(), "XDG_STATE_HOME="+r.state, "XDG_CONFIG_HOME="+filepath.Join(r.state, "config"),
		"XDG_RUNTIME_DIR="+filepath.Join(r.state, "none"))
}

// line returns the next line of stdout.
func (r *running) line(t *testing.T) string {
	t.Helper()
	select {
	case line, ok := <-r.lines:
		if !ok {
			t.Fatalf("fairlead ended instead of printing a line; stderr:\n%s", r.stderr)
		}
		return line
	case <-time.After(30 * time.Second):
		t.Fatalf("no line from fairlead in 30 s; stderr:\n%s", r.stderr)
	}
	return ""
}

// stop sends SIGINT, like Ctrl-C, and requires an end within 15 s.
func (r *running) stop(t *testing.T) {
	t.Helper()
	_ = r.cmd.Process.Signal(os.Interrupt)
	r.wait(t, 15*time.Second)
}

func (r *running) wait(t *testing.T, within time.Duration) {
	t.Helper()
	select {
	case <-r.ended:
	case <-time.After(within):
		_ = r.cmd.Process.Signal(syscall.SIGQUIT) // prints where it hangs
		<-r.ended
		t.Errorf("fairlead did not end within %s; stderr:\n%s", within, r.stderr)
	}
}

// status returns the exit status of an ended fairlead.
func (r *running) status() int { return r.cmd.ProcessState.ExitCode() }

// serve starts fairlead serve for one context on a free port and returns the address.
func serve(t *testing.T, context string) string {
	t.Helper()
	r := start(t, nil, "serve", "--kubeconfig", cluster.Kubeconfig, "--listen", "127.0.0.1:0", context)
	line := r.line(t)
	name, address, ok := strings.Cut(line, "  socks5h://")
	if !ok || name != context {
		t.Fatalf("serve printed %q", line)
	}
	return address
}

// socks5 requests a connection from the proxy, and returns it with the reply code of RFC 1928.
func socks5(t *testing.T, address, host string, port int) (net.Conn, byte) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	request := append([]byte{5, 1, 0, 5, 1, 0, 3, byte(len(host))}, host...)
	request = append(request, byte(port>>8), byte(port))
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(60 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var reply [12]byte // method choice, then the reply with an IPv4 address
	if _, err := io.ReadFull(conn, reply[:]); err != nil {
		t.Fatalf("SOCKS reply of %s:%d: %v", host, port, err)
	}
	return conn, reply[3]
}

// freeAddress returns an address of this machine on which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
