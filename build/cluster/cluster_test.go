package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"fairlead/build/cluster/kubelet"
)

// asCluster is the environment variable that makes the test program behave as the cluster program.
const asCluster = "CLUSTER_TEST_AS_CLUSTER"

// shared is a cluster with all fixtures, for tests that only read pods.
var shared *running

func TestMain(m *testing.M) {
	if isComponent(filepath.Base(os.Args[0])) || os.Getenv(asCluster) != "" {
		main()
		os.Exit(0)
	}
	var err error
	if shared, err = launch(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop:", err)
		status = 1
	}
	os.Exit(status)
}

// running is a cluster in its own processes.
type running struct {
	announcement
	binary   string
	command  *exec.Cmd
	lifeline io.Closer
	ended    chan struct{}
	endErr   error
	log      string
}

// launch starts a cluster with this test program.
func launch(args ...string) (*running, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.CreateTemp("", "cluster-test-*.log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c := &running{binary: binary, ended: make(chan struct{}), log: log.Name()}
	c.command = exec.Command(binary, append([]string{"--json", "--exit-with-stdin"}, args...)...)
	c.command.Env = append(os.Environ(), asCluster+"=1")
	c.command.Stderr = log
	if c.lifeline, err = c.command.StdinPipe(); err != nil {
		return nil, err
	}
	output, input, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer output.Close()
	c.command.Stdout = input
	err = c.command.Start()
	input.Close()
	if err != nil {
		return nil, err
	}
	go func() {
		c.endErr = c.command.Wait()
		close(c.ended)
	}()
	line, err := bufio.NewReader(output).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &c.announcement)
	}
	if err != nil {
		c.lifeline.Close()
		<-c.ended
		text, _ := os.ReadFile(c.log)
		return nil, fmt.Errorf("launch: %w, %v\n%s", err, c.stop(), text)
	}
	return c, nil
}

// stop closes the cluster's standard input and waits for its end.
func (c *running) stop() error {
	c.lifeline.Close()
	<-c.ended
	os.Remove(c.log)
	return c.endErr
}

func start(t *testing.T, args ...string) *running {
	t.Helper()
	c, err := launch(args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return c
}

func (c *running) kubectl(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), c.binary, append([]string{"kubectl"}, args...)...)
	command.Env = append(os.Environ(), asCluster+"=1", "KUBECONFIG="+c.Kubeconfig, "KUBECACHEDIR="+c.State+"/kubectl")
	return command
}

func (c *running) runKubectl(t *testing.T, args ...string) string {
	t.Helper()
	output, err := c.kubectl(t, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %v: %v\n%s", args, err, output)
	}
	return string(output)
}

func (c *running) restConfig(t *testing.T, kubeconfig, contextName string) *rest.Config {
	t.Helper()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: kubeconfig},
		&clientcmd.ConfigOverrides{CurrentContext: contextName}).ClientConfig()
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst = 1000, 1000
	return config
}

func (c *running) client(t *testing.T) *kubernetes.Clientset {
	t.Helper()
	client, err := kubernetes.NewForConfig(c.restConfig(t, c.Kubeconfig, "demo"))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// controlClient returns a client of the control socket.
func (c *running) controlClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", c.Control)
		},
	}}
}

func (c *running) stats(t *testing.T) kubelet.Stats {
	t.Helper()
	response, err := c.controlClient().Get("http://control/stats")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var stats kubelet.Stats
	if err := json.NewDecoder(response.Body).Decode(&stats); err != nil {
		t.Fatal(err)
	}
	return stats
}

func (c *running) podStats(t *testing.T, name string) kubelet.PodStats {
	t.Helper()
	var found kubelet.PodStats
	for _, p := range c.stats(t).Pods {
		if p.Namespace+"/"+p.Name == name {
			found = p
		}
	}
	return found
}

// mustPost posts to the control socket; faults are healed at the end of the test.
func (c *running) mustPost(t *testing.T, what, body string) {
	t.Helper()
	if answer := c.post(t, what, body); answer != "" {
		t.Fatalf("%s %s: %s", what, body, answer)
	}
}

func (c *running) post(t *testing.T, what, body string) (refusal string) {
	t.Helper()
	response, err := c.controlClient().Post("http://control/"+what, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode == http.StatusNoContent {
		return ""
	}
	return fmt.Sprintf("%s: %s", response.Status, content)
}

func (c *running) healAtEnd(t *testing.T) {
	t.Cleanup(func() {
		c.mustPost(t, "heal", "{}")
		c.mustPost(t, "websockets", `{"on":true}`)
	})
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30 s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
