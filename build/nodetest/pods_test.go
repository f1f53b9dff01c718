//go:build node

package nodetest

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"fairlead/build/clustertest"
)

func TestFixturesRunAsContainers(t *testing.T) {
	onEachCluster(t, func(t *testing.T, c *clustertest.Cluster) {
		processes, err := c.Inside(t.Context(), "ps", "-e", "-o", "args=")
		if err != nil {
			t.Fatal(err)
		}
		output, err := processes.Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, program := range []string{"http", "echo", "sink", "never-reads", "pause"} {
			if !strings.Contains(string(output), "/program "+program+"\n") {
				t.Errorf("no process of the program %s in the namespaces:\n%s", program, output)
			}
		}
		for name, want := range map[string]string{"not-ready": "False", "slow-ready": "True"} {
			condition := func() string {
				return kubectl(t, c, "get", "pod", name, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
			}
			eventually(t, name+" is ready: "+want, func() bool { return condition() == want })
		}
	})
}

func TestProbedPodBecomesReady(t *testing.T) {
	onEachCluster(t, func(t *testing.T, c *clustertest.Cluster) {
		apply(t, c, `{apiVersion: v1, kind: Pod, metadata: {name: probed}, spec: {terminationGracePeriodSeconds: 1,
			containers: [{name: http, image: "demo.local/http-finishes:1", imagePullPolicy: Never,
				env: [{name: PORTS, value: "8123"}, {name: READY_AFTER, value: 3s}],
				readinessProbe: {httpGet: {path: /healthz, port: 8123}, periodSeconds: 1}}]}}`)
		kubectl(t, c, "wait", "--for=jsonpath={.status.phase}=Running", "--timeout=30s", "pod/probed")
		if ready := kubectl(t, c, "get", "pod", "probed", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`); ready != "False" {
			t.Errorf("Ready is %s before the program says so", ready)
		}
		kubectl(t, c, "wait", "--for=condition=Ready", "--timeout=30s", "pod/probed")
	})
}

// portForward starts kubectl port-forward and returns its listening address.
func portForward(t *testing.T, c *clustertest.Cluster, webSockets bool, target, port string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	command := c.KubectlCommand(ctx, "port-forward", target, ":"+port)
	command.Env = append(command.Env, "KUBECTL_PORT_FORWARD_WEBSOCKETS="+map[bool]string{true: "true", false: "false"}[webSockets])
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = command.Wait() // killed
	})
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(line)
}

// get requests a page and closes the connection.
func get(t *testing.T, url string) (body, pod string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content), response.Header.Get("X-Pod")
}

// upgrades returns the number of port-forwards in the audit log by verb: a WebSocket starts with GET, which is audited
// as get, and SPDY with POST, which is audited as create.
func upgrades(t *testing.T, c *clustertest.Cluster) map[string]int {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(c.State, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for line := range strings.Lines(string(log)) {
		var event struct {
			Verb      string
			Stage     string
			ObjectRef struct{ Subresource string }
		}
		if json.Unmarshal([]byte(line), &event) == nil && event.ObjectRef.Subresource == "portforward" && event.Stage == "ResponseComplete" {
			counts[event.Verb]++
		}
	}
	return counts
}

func TestPortForwardOverBothProtocols(t *testing.T) {
	const size = 8 << 20
	onEachCluster(t, func(t *testing.T, c *clustertest.Cluster) {
		for verb, webSockets := range map[string]bool{"get": true, "create": false} {
			before := upgrades(t, c)
			t.Run(verb, func(t *testing.T) {
				address := portForward(t, c, webSockets, "service/multi", "9000")
				body, pod := get(t, "http://"+address+"/")
				if !strings.HasPrefix(pod, "default/multi-") || !strings.Contains(body, ":9100\n") {
					t.Errorf("the Pod %q answered:\n%s", pod, body)
				}
				big, _ := get(t, "http://"+address+"/big?bytes=8388608")
				if sum := sha256.Sum256([]byte(big)); hex.EncodeToString(sum[:]) != clustertest.PatternSHA256(size) {
					t.Errorf("%d bytes, not the pattern", len(big))
				}
			})
			eventually(t, "the audit log has a port-forward by "+verb, func() bool { return upgrades(t, c)[verb] == before[verb]+1 })
		}
	})
}

func TestContainerdAndKubeletRestartAndContainerIsKilled(t *testing.T) {
	onOwnCluster(t, func(t *testing.T, c *clustertest.Cluster) {
		runPod(t, c)
		id := func() string {
			return kubectl(t, c, "get", "pod", "one", "-o", "jsonpath={.status.containerStatuses[0].containerID}")
		}
		first := id()
		if err := c.RestartContainerd(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := c.RestartKubelet(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the kubelet answers", func() bool {
			_, err := c.Kubectl(t.Context(), "logs", "one")
			return err == nil
		})
		if _, pod := get(t, "http://"+portForward(t, c, true, "pod/one", "8080")); !strings.HasSuffix(pod, "/one") {
			t.Errorf("the Pod %q answered", pod)
		}
		if now := id(); now != first {
			t.Errorf("container %s was replaced by %s", first, now)
		}
		if err := c.KillContainer(t.Context(), "default/one", ""); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the kubelet has started another container", func() bool {
			return kubectl(t, c, "get", "pod", "one", "-o", "jsonpath={.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}") == "1 true"
		})
		if err := c.KillContainer(t.Context(), "default/nobody", ""); err == nil || !strings.Contains(err.Error(), "does not run here") {
			t.Errorf("kill a container of no pod: %v", err)
		}
	})
}
