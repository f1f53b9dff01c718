//go:build node

package nodetest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"fairlead/build/clustertest"
	"fairlead/build/image/layout"
	"fairlead/build/konnecttest"
)

// nodeAddress is the node's own address, at which Pods reach what is on its network.
const nodeAddress = "10.250.1.1"

// TestKonnectivityPods has a Konnectivity server and Fairlead next to each other in a Pod on the node's network, which has
// the API server, and an agent in a Pod on the network of Pods. Nothing implements ClusterIPs on this node.
func TestKonnectivityPods(t *testing.T) {
	onEachCluster(t, func(t *testing.T, c *clustertest.Cluster) {
		importPrograms(t, c)
		dir := t.TempDir()
		konnecttest.WriteCertificates(t, dir, net.ParseIP(nodeAddress))
		kubectl(t, c, "create", "secret", "generic", "konnectivity", "--from-file="+dir, "--from-file=kubeconfig="+c.Kubeconfig)
		t.Cleanup(func() {
			_, _ = c.Kubectl(context.Background(), "delete", "secret", "konnectivity") // fails if the cluster has ended
		})
		for i, mode := range []string{"http-connect", "grpc"} {
			t.Run(mode, func(t *testing.T) { tunnelPods(t, c, mode, 18000+100*i) })
		}
	})
}

// tunnelPods makes the Pods of one mode, and connects through them. The ports on the node begin with port.
func tunnelPods(t *testing.T, c *clustertest.Cluster, mode string, port int) {
	apply(t, c, tunnelManifest(mode, port))
	kubectl(t, c, "wait", "--for=condition=Ready", "--timeout=90s", "pod/konn-control-"+mode, "pod/konn-agent-"+mode)
	proxy := fmt.Sprintf("socks5h://127.0.0.1:%d", port+4)
	curl := func(url string) (string, error) {
		command, err := c.Inside(t.Context(), "curl", "-sS", "--max-time", "30", "--proxy", proxy, url)
		if err != nil {
			t.Fatal(err)
		}
		out, err := command.CombinedOutput()
		return string(out), err
	}
	address := kubectl(t, c, "get", "pods", "-l", "app=hello", "-o", "jsonpath={.items[0].status.podIP}")
	name := kubectl(t, c, "get", "pods", "-l", "app=hello", "-o", "jsonpath={.items[0].metadata.name}")
	for _, url := range []string{"http://hello/", "http://hello.default.svc.cluster.local/", "http://" + address + ":8080/", "http://" + name + ".default.pod:8080/"} {
		if out, err := curl(url); err != nil || !strings.Contains(out, name) {
			t.Errorf("%s: %v\n%s", url, err, out)
		}
	}
	for url, want := range map[string]string{"http://refused/": "(5)", "http://nobody/": "(4)", "http://127.0.0.1:1/": "(2)"} {
		if out, err := curl(url); err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v\n%s, want %s", url, err, out, want)
		}
	}
	kubectl(t, c, "delete", "pod", "konn-agent-"+mode, "--grace-period=1")
	eventually(t, "no agent", func() bool {
		out, err := curl("http://hello/")
		return err != nil && strings.Contains(out, "(3)")
	})
}

// tunnelManifest returns the Pods of one mode, fit for the restricted level but for the node's network.
func tunnelManifest(mode string, port int) string {
	const pod = `{apiVersion: v1, kind: Pod, metadata: {name: %s}, spec: {automountServiceAccountToken: false, terminationGracePeriodSeconds: 2, %s
  securityContext: {runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}},
  volumes: [{name: files, secret: {secretName: konnectivity}}], containers: [%s]}}`
	const container = `{name: %s, image: "lab.local/%s:1", imagePullPolicy: Never, args: [%s], volumeMounts: [{name: files, mountPath: /files}],
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}%s}`
	list := func(args ...string) string { return `"` + strings.Join(args, `", "`) + `"` }
	flag := func(name string, value any) string { return fmt.Sprintf("--%s=%v", name, value) }
	server := fmt.Sprintf(container, "server", "server", list(
		flag("mode", mode), "--server-cert=/files/server.crt", "--server-key=/files/server.key", "--server-ca-cert=/files/ca.crt",
		"--server-bind-address=127.0.0.1", flag("server-port", port), "--cluster-cert=/files/server.crt", "--cluster-key=/files/server.key",
		"--cluster-ca-cert=/files/ca.crt", flag("agent-bind-address", nodeAddress), flag("agent-port", port+1), "--admin-bind-address=127.0.0.1", flag("admin-port", port+2),
		"--health-bind-address=127.0.0.1", flag("health-port", port+3), "--server-count=1"), "")
	fairlead := fmt.Sprintf(container, "fairlead", "fairlead", list(
		"serve", "demo", "--yes", "--carrier", "konnectivity", "--konnectivity-mode", mode, "--konnectivity-server", fmt.Sprintf("https://127.0.0.1:%d", port),
		"--konnectivity-ca", "/files/ca.crt", "--konnectivity-cert", "/files/client.crt", "--konnectivity-key", "/files/client.key", "--kubeconfig", "/files/kubeconfig",
		"--listen", fmt.Sprintf("127.0.0.1:%d", port+4), "--health", fmt.Sprintf("127.0.0.1:%d", port+5)),
		fmt.Sprintf(", readinessProbe: {periodSeconds: 1, httpGet: {host: 127.0.0.1, path: /readyz, port: %d}}, livenessProbe: {httpGet: {host: 127.0.0.1, path: /healthz, port: %d}}", port+5, port+5))
	agent := fmt.Sprintf(container, "agent", "agent", list(
		"--ca-cert=/files/ca.crt", "--agent-cert=/files/client.crt", "--agent-key=/files/client.key", flag("proxy-server-host", nodeAddress), flag("proxy-server-port", port+1),
		flag("agent-id", mode), "--sync-interval=1s", "--probe-interval=1s", "--sync-interval-cap=2s"), ", readinessProbe: {periodSeconds: 1, httpGet: {path: /readyz, port: 8093}}")
	return fmt.Sprintf(pod, "konn-control-"+mode, "hostNetwork: true,", server+", "+fairlead) + "\n---\n" + fmt.Sprintf(pod, "konn-agent-"+mode, "", agent)
}

// importPrograms makes an image of Fairlead, and of the server and the agent, and hands them to the node.
func importPrograms(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	dir, err := clustertest.Konnectivity(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	static := filepath.Join(t.TempDir(), "fairlead")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", static, "fairlead/app")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build fairlead: %v\n%s", err, out)
	}
	socket := filepath.Join(c.State, "node", "containerd.sock") // in a file system that exists inside only
	for name, program := range map[string]string{"fairlead": static, "server": filepath.Join(dir, "server"), "agent": filepath.Join(dir, "agent")} {
		archive := filepath.Join(t.TempDir(), name+".tar")
		writeImage(t, archive, name, program)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		command, err := c.Inside(ctx, "ctr", "--address", socket, "--namespace", "k8s.io", "images", "import", archive)
		if err != nil {
			t.Fatal(err)
		}
		out, err := command.CombinedOutput()
		cancel()
		if err != nil {
			t.Fatalf("import %s: %v\n%s", name, err, out)
		}
	}
}

func writeImage(t *testing.T, to, name, program string) {
	t.Helper()
	content, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := layout.Write(file, content, name, runtime.GOARCH, "lab.local/"+name+":1"); err != nil {
		t.Fatal(err)
	}
}
