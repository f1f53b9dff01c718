package konnecttest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fairlead/build/bench/namespace"
	"fairlead/build/clustertest"
	"fairlead/build/testport"
)

// A lab is a cluster's API, and a network with its Pods that only agents reach.
type lab struct {
	cluster *clustertest.Cluster
	dir     string
	servers map[string]*server // by mode

	inside io.Writer
	lines  *bufio.Scanner
}

// A server is a Konnectivity server, whose agent is inside.
type server struct {
	lab     testing.TB // the test that ends it
	mode    string
	command []string
	url     *url.URL
	health  int
	process *os.Process
	ended   chan struct{}
	agent   int // its process id
}

// The names of the lab's objects, and the port of each. Each Pod has an address of its own.
const (
	echoPort, latePort, sourcePort, resetsPort, grpcPort = 7, 7005, 7001, 7000, 50051

	outsideAddress = "203.0.113.80"
	outsideName    = "db.corp.example"
)

// pods has the Pods of the lab: their names, programs, addresses and ports. Each but the last ones has a Service.
var pods = []struct {
	name, program, address string
	port, service          int
}{
	{"echo", "echo", "10.244.77.7", echoPort, echoPort},
	{"late", "late", "10.244.77.8", latePort, latePort},
	{"source", "source", "10.244.77.9", sourcePort, sourcePort},
	{"resets", "resets", "10.244.77.10", resetsPort, resetsPort},
	{"web", "web", "10.244.77.11", 8080, 80},
	{"refused", "nothing", "10.244.77.12", 8080, 80},
	{"grpc", "grpc", "10.244.77.13", grpcPort, grpcPort},
	{"hangs", "hangs", "10.244.77.14", 8080, 80},
	{"lonely", "web", "10.244.77.15", 8080, 80}, // its ClusterIP leads nowhere, as where no kube-proxy runs
}

// manifest returns the objects of the lab. No kubelet reports the Pods, so nothing makes their EndpointSlices.
func manifest() string {
	list := []string{
		`{apiVersion: v1, kind: Namespace, metadata: {name: tunnel}}`,
		`{apiVersion: v1, kind: Node, metadata: {name: nowhere}, spec: {unschedulable: true}}`,
		`{apiVersion: v1, kind: Service, metadata: {name: alias, namespace: tunnel}, spec: {type: ExternalName, externalName: ` + outsideName + `}}`,
	}
	pod := func(name, spec string) {
		list = append(list, fmt.Sprintf(`{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: tunnel}, spec: {nodeName: nowhere, %s
			tolerations: [{operator: Exists}], terminationGracePeriodSeconds: 0, containers: [{name: main, image: "none"}]}}`, name, spec))
	}
	service := func(namespace, name, spec, endpoint string, port, target int) {
		list = append(list,
			fmt.Sprintf(`{apiVersion: v1, kind: Service, metadata: {name: %s, namespace: %s}, spec: {%s ports: [{port: %d, targetPort: %d}]}}`, name, namespace, spec, port, target),
			fmt.Sprintf(`{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: %s-1, namespace: %s, labels: {kubernetes.io/service-name: %s}},
				addressType: IPv4, ports: [{name: "", port: %d}], endpoints: [%s]}`, name, namespace, name, target, endpoint))
	}
	endpoint := func(pod, address string, ready bool) string {
		return fmt.Sprintf(`{addresses: [%q], conditions: {ready: %t}, hostname: %s, targetRef: {kind: Pod, namespace: tunnel, name: %s}}`, address, ready, pod, pod)
	}
	for _, p := range pods {
		pod(p.name, "")
		service("tunnel", p.name, "", endpoint(p.name, p.address, true), p.service, p.port)
	}
	pod("host", "hostNetwork: true,")
	pod("unready", "")
	service("tunnel", "unready", "", endpoint("unready", "10.244.77.19", false), 80, 8080)
	pod("db-0", "hostname: db-0, subdomain: db,")
	service("tunnel", "db", "clusterIP: None,", endpoint("db-0", headless, true), 80, 8080)
	service("kube-system", "kube-dns", "", `{addresses: [`+dnsAddress+`], conditions: {ready: true}}`, 53, 53)
	return strings.Join(list, "\n---\n")
}

// The addresses of the headless Service's Pod, and of the DNS server.
const headless, dnsAddress = "10.244.77.20", "10.244.77.53"

// newLab starts a lab: the API, the network, and for each mode a server with its agent.
func newLab(t testing.TB) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root, for a network of its own")
	}
	l := &lab{cluster: clustertest.Start(t, clustertest.Options{}), dir: t.TempDir(), servers: map[string]*server{}}
	programs, err := clustertest.Konnectivity(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	WriteCertificates(t, l.dir)
	d := description{Hosts: map[string]string{outsideName: outsideAddress, "here.corp.example": "127.0.0.1"}, Agents: map[string]agent{}}
	d.Files, d.GRPC = l.repository(t), l.grpcPeer(t)
	d.Programs = l.apply(t)
	for _, mode := range []string{"http-connect", "grpc", "socket"} {
		l.addServer(t, programs, mode, &d)
	}
	l.enter(t, d)
	for mode, s := range l.servers {
		s.start(t)
		l.startAgent(t, mode)
	}
	return l
}

// apply creates the objects, and returns the programs that the network needs for them.
func (l *lab) apply(t testing.TB) (programs []program) {
	t.Helper()
	l.kubectl(t, manifest(), "create", "-f", "-")
	ready := func(name, address, status string) {
		l.kubectl(t, "", "patch", "pod", "-n", "tunnel", name, "--subresource=status", "--patch", fmt.Sprintf(
			`{"status": {"phase": "Running", "podIP": %q, "podIPs": [{"ip": %q}], "conditions": [{"type": "Ready", "status": %q}]}}`, address, address, status))
	}
	for _, p := range pods {
		ready(p.name, p.address, "True")
		programs = append(programs, program{p.program, fmt.Sprintf("%s:%d", p.address, p.port)})
		if p.name != "lonely" && p.program != "grpc" {
			programs = append(programs, program{p.program, fmt.Sprintf("%s:%d", l.clusterIP(t, "tunnel", p.name), p.service)})
		}
	}
	ready("host", "192.0.2.1", "True")
	ready("unready", "10.244.77.19", "False")
	ready("db-0", headless, "True")
	return append(programs,
		program{"web", headless + ":8080"}, program{"dns", dnsAddress + ":53"}, program{"dns", l.clusterIP(t, "kube-system", "kube-dns") + ":53"},
		program{"web", outsideAddress + ":80"}, program{"web", "10.244.77.99:8080"})
}

func (l *lab) clusterIP(t testing.TB, namespace, service string) string {
	return l.kubectl(t, "", "get", "service", "-n", namespace, service, "-o", "jsonpath={.spec.clusterIP}")
}

func (l *lab) kubectl(t testing.TB, input string, args ...string) string {
	t.Helper()
	cmd := l.cluster.KubectlCommand(t.Context(), args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// repository makes a git repository that can be cloned over plain HTTP, and returns the directory that it is in.
func (l *lab) repository(t testing.TB) string {
	t.Helper()
	files := filepath.Join(l.dir, "files")
	script := `set -e; git init -q work; cd work; for i in 1 2 3; do seq 1 20000 >file$i; git add .; git -c user.name=x -c user.email=x@example.com commit -qm "file $i"; done
		git clone -q --bare . ../repository.git; cd ../repository.git; git update-server-info`
	if err := os.MkdirAll(files, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = files
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("repository: %v\n%s", err, out)
	}
	return files
}

// grpcPeer builds the gRPC server and client, which use grpc-go.
func (l *lab) grpcPeer(t testing.TB) string {
	t.Helper()
	path := filepath.Join(l.dir, "grpcpeer")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".")
	cmd.Dir = filepath.Join("..", "clienttest", "grpcpeer")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("grpcpeer: %v\n%s", err, out)
	}
	return path
}

// addServer describes a server in a mode, and its agent. The mode "socket" is http-connect on a Unix socket.
func (l *lab) addServer(t testing.TB, programs, mode string, d *description) {
	t.Helper()
	file := func(name string) string { return filepath.Join(l.dir, name) }
	clients, agents, health := testport.Free(t), testport.Free(t), testport.Free(t)
	s := &server{lab: t, mode: mode, health: health, url: &url.URL{Scheme: "https", Host: fmt.Sprintf("127.0.0.1:%d", clients)}}
	s.command = []string{
		filepath.Join(programs, "server"),
		"--cluster-cert=" + file("server.crt"), "--cluster-key=" + file("server.key"), "--cluster-ca-cert=" + file("ca.crt"),
		"--agent-bind-address=127.0.0.1", "--agent-port=" + strconv.Itoa(agents), "--admin-bind-address=127.0.0.1", "--admin-port=" + strconv.Itoa(testport.Free(t)),
		"--health-bind-address=127.0.0.1", "--health-port=" + strconv.Itoa(health), "--server-count=1",
	}
	if mode == "socket" {
		s.url = &url.URL{Scheme: "unix", Path: file("konnectivity.sock")}
		s.command = append(s.command, "--mode=http-connect", "--uds-name="+s.url.Path, "--server-port=0")
	} else {
		s.command = append(s.command, "--mode="+mode, "--server-cert="+file("server.crt"), "--server-key="+file("server.key"), "--server-ca-cert="+file("ca.crt"),
			"--server-bind-address=127.0.0.1", "--server-port="+strconv.Itoa(clients))
	}
	l.servers[mode] = s
	socket := file(mode + "-agents.sock")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go relayAll(ln, "tcp", fmt.Sprintf("127.0.0.1:%d", agents))
	port := 19000 + len(d.Agents)*10
	d.Agents[mode] = agent{Socket: socket, Port: port, Command: []string{
		filepath.Join(programs, "agent"), "--ca-cert=" + file("ca.crt"), "--agent-cert=" + file("client.crt"), "--agent-key=" + file("client.key"),
		"--proxy-server-host=127.0.0.1", "--proxy-server-port=" + strconv.Itoa(port), "--agent-id=" + mode, "--sync-interval=1s", "--probe-interval=1s", "--sync-interval-cap=2s",
		"--admin-bind-address=127.0.0.1", "--admin-server-port=" + strconv.Itoa(port+1), "--health-server-host=127.0.0.1", "--health-server-port=" + strconv.Itoa(port+2),
	}}
}

// enter starts the inside of the network.
func (l *lab) enter(t testing.TB, d description) {
	t.Helper()
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	in, input, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	output, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	started, leave := make(chan error, 1), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread() // the child ends with this thread
		cmd, err := namespace.Start(func() *exec.Cmd {
			cmd := exec.Command(own)
			cmd.Env = append(os.Environ(), insideVariable+"="+string(text))
			cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, os.Stderr
			return cmd
		})
		started <- err
		if err != nil {
			return
		}
		<-leave
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	_ = out.Close()
	t.Cleanup(func() { close(leave); wg.Wait(); _ = input.Close(); _ = output.Close() })
	l.inside, l.lines = input, bufio.NewScanner(output)
	if line := l.line(t); line != "ready" {
		t.Fatalf("the inside of the network said %q", line)
	}
}

func (l *lab) line(t testing.TB) string {
	t.Helper()
	if !l.lines.Scan() {
		t.Fatalf("the inside of the network ended: %v", l.lines.Err())
	}
	return l.lines.Text()
}

// startAgent starts the agent of a server, and waits until the server has it.
func (l *lab) startAgent(t testing.TB, mode string) {
	t.Helper()
	if _, err := fmt.Fprintln(l.inside, mode); err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(l.line(t))
	if err != nil {
		t.Fatal(err)
	}
	s := l.servers[mode]
	s.agent = pid
	l.await(t, "the agent of "+mode, s.hasAgent)
}

// hasAgent reports whether an agent is connected to the server.
func (s *server) hasAgent() bool {
	response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/readyz", s.health))
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// killAgent kills the server's agent, and waits until the server knows.
func (l *lab) killAgent(t testing.TB, mode string) {
	t.Helper()
	s := l.servers[mode]
	if err := syscall.Kill(s.agent, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	l.await(t, "the end of the agent of "+mode, func() bool { return !s.hasAgent() })
}

// start starts the server, which ends with the lab.
func (s *server) start(t testing.TB) {
	t.Helper()
	cmd := exec.Command(s.command[0], s.command[1:]...)
	log, err := os.CreateTemp(s.lab.TempDir(), "server")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); _ = log.Close(); close(ended) }()
	s.process, s.ended = cmd.Process, ended
	s.lab.Cleanup(func() {
		if s.lab.Failed() {
			text, _ := os.ReadFile(log.Name())
			s.lab.Logf("the server in mode %s:\n%s", s.mode, text[max(0, len(text)-2000):])
		}
		_ = cmd.Process.Kill()
		<-ended
	})
}

// stop ends the server.
func (s *server) stop() {
	_ = s.process.Kill()
	<-s.ended
}

// await waits for a condition.
func (l *lab) await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("no %s", what)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(context.Cause(t.Context()))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
