// Package conformance tests that kube.Cluster fulfils the contract of a proxy.Dialer, on a cluster of package
// clustertest with either kind of node. It is a separate package because kube must not import proxy, and because two
// test packages use it.
package conformance

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/build/clustertest"
	"fairlead/kube"
	"fairlead/proxy/dialtest"
)

// noHalfClose is the reason why a port-forward cannot pass on a half-close.
const noHalfClose = "container runtimes close both directions of a forwarded connection once either of them has ended, " +
	"so Fairlead holds the client's end back while the Pod still sends"

// Run tests connections into a cluster over one carrier, "spdy" or "websocket". The cluster must have the fixtures.
// silent is an address, reachable from its API server, that accepts connections and never answers. Objects that Run
// creates in the cluster are deleted at the end of the test.
func Run(t *testing.T, c *clustertest.Cluster, carrier string, silent netip.AddrPort) {
	t.Helper()
	apply(t, c, objects(silent))
	for _, pod := range []string{"conformance-silent", "conformance-host"} {
		// No kubelet will ever report these Pods' status.
		kubectl(t, c, "patch", "pod", pod, "--subresource=status", "--patch", `{"status": {"phase": "Running"}}`)
	}
	kubectl(t, c, "wait", "--for=condition=Ready", "--timeout=60s", "pod/conformance-resets")

	cluster, err := kube.Open(kube.Config{Kubeconfig: c.Kubeconfig, Context: "demo", Protocol: carrier})
	if err != nil {
		t.Fatal(err)
	}
	dialtest.Run(t, dialtest.Suite{
		Dialer:      cluster,
		Stop:        running(t, cluster),
		Without:     map[dialtest.Part]string{dialtest.EndReachesTarget: noHalfClose},
		Echo:        "echo.default.svc:7",
		Late:        "five-lines.default.svc:7005",
		LateAnswer:  fiveLines("default/five-lines"),
		Source:      "source.default.svc:7001",
		SourceBytes: 32 << 20,
		Resets:      "conformance-resets.default.pod:7000",
		Refused:     "refused.default.svc:80",
		Unknown:     "nobody.default.svc:80",
		NotReady:    "not-ready.default.svc:80",
		Forbidden:   "conformance-host.default.pod:80",
		Hangs:       "conformance-silent.default.pod:80",
	})
}

// running runs the cluster until the returned function is called, or the test ends.
func running(t *testing.T, cluster *kube.Cluster) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- cluster.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// fiveLines returns the output of the program of that name.
func fiveLines(pod string) string {
	var text strings.Builder
	for i := range 5 {
		fmt.Fprintf(&text, "line %d of 5 from %s\n", i+1, pod)
	}
	return text.String()
}

// Silent returns the address of a listener on this machine that never answers its connections, which the kernel
// accepts. The API server of a cluster with the streaming node can reach it.
func Silent(t *testing.T) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

// objects returns the manifest of a Pod that resets its connections, a Pod on the host network, and a Pod on a node
// whose kubelet never answers.
func objects(kubelet netip.AddrPort) string {
	const pod = `{apiVersion: v1, kind: Pod, metadata: {name: conformance-%s}, spec: {terminationGracePeriodSeconds: 1, %s,
	containers: [{name: main, image: "demo.local/%s:1", imagePullPolicy: Never, env: [{name: PORTS, value: "7000"}], ports: [{containerPort: 7000}]}]}}`
	const node = `{apiVersion: v1, kind: Node, metadata: {name: conformance-silent}, spec: {unschedulable: true},
	status: {addresses: [{type: InternalIP, address: %s}], daemonEndpoints: {kubeletEndpoint: {Port: %d}}}}`
	const onSilent = "nodeName: conformance-silent"
	return strings.Join([]string{
		fmt.Sprintf(node, kubelet.Addr(), kubelet.Port()),
		fmt.Sprintf(pod, "silent", onSilent, "echo"),
		fmt.Sprintf(pod, "host", onSilent+", hostNetwork: true", "echo"),
		fmt.Sprintf(pod, "resets", "restartPolicy: Always", "resets"),
	}, "\n---\n")
}

// apply creates the objects of a manifest, and deletes them without a grace period at the end of the test.
func apply(t *testing.T, c *clustertest.Cluster, manifest string) {
	t.Helper()
	feed := func(ctx context.Context, args ...string) error {
		command := c.KubectlCommand(ctx, args...)
		command.Stdin = strings.NewReader(manifest)
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("kubectl %v: %w\n%s", args, err, output)
		}
		return nil
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := feed(ctx, "delete", "--ignore-not-found", "--grace-period=0", "--force", "-f", "-"); err != nil {
			t.Error(err)
		}
	})
	if err := feed(t.Context(), "create", "-f", "-"); err != nil {
		t.Fatal(err)
	}
}

func kubectl(t *testing.T, c *clustertest.Cluster, args ...string) {
	t.Helper()
	if _, err := c.Kubectl(t.Context(), args...); err != nil {
		t.Fatal(err)
	}
}
