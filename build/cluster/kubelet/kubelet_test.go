package kubelet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"

	"fairlead/build/cluster/pki"
)

// TestMain checks for leaked goroutines, except the libraries' own: spdystream waits without limit for streams that the
// other side never ends and for a reader of each frame, and the streaming server waits for spdystream.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/moby/spdystream.(*idleAwareFramer).monitor"),
		goleak.IgnoreAnyFunction("github.com/moby/spdystream.(*Connection).shutdown"),
		goleak.IgnoreAnyFunction("github.com/moby/spdystream.(*Connection).shutdown.func1"),
		goleak.IgnoreAnyFunction("github.com/moby/spdystream.(*Connection).Serve"),
		goleak.IgnoreAnyFunction("github.com/moby/spdystream.(*Connection).Serve.func1"),
		goleak.IgnoreAnyFunction("github.com/moby/spdystream.(*Connection).Serve.func2"),
		goleak.IgnoreAnyFunction("k8s.io/cri-streaming/pkg/streaming/portforward.(*httpStreamHandler).run"))
}

// node is a kubelet that runs against a fake client. The launcher's tests run it against the real API server; the tests
// here check what the kubelet starts and ends.
type node struct {
	kubelet *Kubelet
	client  *fake.Clientset
	stop    func() error
	config  *rest.Config
}

func startNode(t *testing.T) *node {
	t.Helper()
	authority, err := pki.NewAuthority("ca")
	if err != nil {
		t.Fatal(err)
	}
	issue := func(name string) (tls.Certificate, pki.Pair) {
		issued, err := authority.Issue(pki.Subject{CommonName: name, Addresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.X509KeyPair(issued.CertPEM, issued.KeyPEM)
		if err != nil {
			t.Fatal(err)
		}
		return pair, issued
	}
	certificate, _ := issue("node")
	_, caller := issue("caller")
	n := &node{client: fake.NewClientset()}
	n.kubelet = New(Config{
		Name: "node", Client: n.client, Certificate: certificate, Callers: authority.Pool(), CallerName: "caller",
		Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	ready := make(chan struct{})
	ended := make(chan error, 1)
	go func() { ended <- n.kubelet.Run(ctx, func() { close(ready) }) }()
	n.stop = func() error {
		cancel()
		return <-ended
	}
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("node: %v", err)
	}
	n.config = &rest.Config{
		Host: fmt.Sprintf("https://127.0.0.1:%d", n.kubelet.port),
		TLSClientConfig: rest.TLSClientConfig{
			CAData: authority.CertPEM, CertData: caller.CertPEM, KeyData: caller.KeyPEM,
		},
	}
	return n
}

func (n *node) runPod(t *testing.T, name, program string) *pod {
	t.Helper()
	grace := int64(1)
	object := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: "a-uid"},
		Spec: corev1.PodSpec{
			NodeName: "node", TerminationGracePeriodSeconds: &grace,
			Containers: []corev1.Container{{
				Name: "main", Image: "demo.local/" + program + ":1", Ports: []corev1.ContainerPort{{ContainerPort: 7000}},
			}},
		},
	}
	if _, err := n.client.CoreV1().Pods("ns").Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	var running *pod
	eventually(t, "the pod runs", func() bool {
		running, _ = n.kubelet.find("ns/" + name)
		return running != nil
	})
	return running
}

// open opens a session and one connection in it.
func (n *node) open(t *testing.T, pod string) (httpstream.Connection, httpstream.Stream) {
	t.Helper()
	transport, upgrader, err := spdy.RoundTripperFor(n.config)
	if err != nil {
		t.Fatal(err)
	}
	location, err := url.Parse(n.config.Host + "/portForward/ns/" + pod)
	if err != nil {
		t.Fatal(err)
	}
	conn, _, err := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, location).Dial("portforward.k8s.io")
	if err != nil {
		t.Fatal(err)
	}
	return conn, openStream(t, conn, 1)
}

// openStream opens one more connection in a session.
func openStream(t *testing.T, conn httpstream.Connection, request int) httpstream.Stream {
	t.Helper()
	headers := http.Header{}
	headers.Set(corev1.PortHeader, "7000")
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	headers.Set(corev1.PortForwardRequestIDHeader, fmt.Sprint(request))
	errorStream, err := conn.CreateStream(headers)
	if err != nil {
		t.Fatal(err)
	}
	errorStream.Close()
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := conn.CreateStream(headers)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func echoes(t *testing.T, data io.ReadWriter, text string) {
	t.Helper()
	if _, err := io.WriteString(data, text); err != nil {
		t.Fatal(err)
	}
	received := make([]byte, len(text))
	if _, err := io.ReadFull(data, received); err != nil || string(received) != text {
		t.Fatalf("%q, %v", received, err)
	}
}

func TestStoppedNodeLeavesNothingRunning(t *testing.T) {
	n := startNode(t)
	n.runPod(t, "echo-1", "echo")
	conn, data := n.open(t, "echo-1")
	echoes(t, data, "hello")
	if err := n.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	select {
	case <-conn.CloseChan():
	case <-time.After(20 * time.Second):
		t.Error("the session outlives the node")
	}
	conn.Close()
	if stats := n.kubelet.Stats(); stats.Pods[0].StreamsOpen != 0 || stats.Pods[0].SessionsOpen != 0 {
		t.Errorf("%+v", stats.Pods)
	}
}

func TestStoppedNodeReleasesBlockedAndFrozenSessions(t *testing.T) {
	n := startNode(t)
	n.runPod(t, "stuck", "never-reads")
	conn, data := n.open(t, "stuck")
	written := make(chan error, 1)
	go func() {
		block := make([]byte, 1<<16)
		for {
			if _, err := data.Write(block); err != nil {
				written <- err
				return
			}
		}
	}()
	eventually(t, "bytes arrive", func() bool { return n.kubelet.Stats().Pods[0].BytesIn > 0 })
	if err := n.kubelet.Blackhole("", true); err != nil {
		t.Fatal(err)
	}
	if err := n.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if err := <-written; err == nil {
		t.Error("the writer ended well")
	}
	conn.Close()
}

// A session with frames for a program that does not read cannot be read to its end: the library's reader is blocked,
// and with it every other connection in the session.
func TestStoppedNodeReleasesWhatIsBehindAJam(t *testing.T) {
	n := startNode(t)
	n.runPod(t, "stuck", "never-reads")
	conn, data := n.open(t, "stuck")
	for request := range 3 {
		openStream(t, conn, request+2)
	}
	eventually(t, "all are connected", func() bool { return n.kubelet.Stats().Pods[0].StreamsOpen == 4 })
	var sent atomic.Int64
	written := make(chan error, 1)
	go func() {
		block := make([]byte, 1<<16)
		for {
			if _, err := data.Write(block); err != nil {
				written <- err
				return
			}
			sent.Add(1)
		}
	}()
	before := int64(-1)
	eventually(t, "nothing moves any more", func() bool {
		now := sent.Load()
		still := now == before && now > 0
		before = now
		time.Sleep(300 * time.Millisecond)
		return still
	})
	stopped := make(chan error, 1)
	go func() { stopped <- n.stop() }()
	select {
	case err := <-stopped:
		if err != nil {
			t.Errorf("stop: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the node does not stop")
	}
	<-written
	conn.Close()
}

func TestPodWhoseObjectIsGoneIsCut(t *testing.T) {
	n := startNode(t)
	p := n.runPod(t, "echo-1", "echo")
	conn, data := n.open(t, "echo-1")
	echoes(t, data, "hello")
	if err := n.client.CoreV1().Pods("ns").Delete(t.Context(), "echo-1", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, data); err != nil {
		t.Logf("the stream ended: %v", err)
	}
	if !errors.Is(context.Cause(p.alive), errCut) {
		t.Error("the pod is still there")
	}
	conn.Close()
	if err := n.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestAPodThatCannotRunIsDeleted(t *testing.T) {
	n := startNode(t)
	now := metav1.Now()
	object := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "nonsense", UID: "a-uid", DeletionTimestamp: &now},
		Spec:       corev1.PodSpec{NodeName: "node", Containers: []corev1.Container{{Name: "main", Image: "demo.local/nonsense:1"}}},
	}
	if _, err := n.client.CoreV1().Pods("ns").Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the pod is gone", func() bool {
		_, err := n.client.CoreV1().Pods("ns").Get(t.Context(), "nonsense", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
	if err := n.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestNodeReportsItselfAndItsPod(t *testing.T) {
	n := startNode(t)
	n.runPod(t, "web", "http")
	eventually(t, "the pod is ready", func() bool {
		seen, err := n.client.CoreV1().Pods("ns").Get(t.Context(), "web", metav1.GetOptions{})
		return err == nil && seen.Status.Phase == corev1.PodRunning && seen.Status.PodIP == "10.244.0.2"
	})
	for _, takes := range []bool{true, false} {
		if err := n.kubelet.SetWebSockets(t.Context(), takes); err != nil {
			t.Fatal(err)
		}
		seen, err := n.client.CoreV1().Nodes().Get(t.Context(), "node", metav1.GetOptions{})
		if err != nil || (len(seen.Status.DeclaredFeatures) == 1) != takes {
			t.Errorf("%v: %v, %v", takes, seen.Status.DeclaredFeatures, err)
		}
	}
	eventually(t, "the lease is renewed", func() bool {
		_, err := n.client.CoordinationV1().Leases("kube-node-lease").Get(t.Context(), "node", metav1.GetOptions{})
		return err == nil || !apierrors.IsNotFound(err)
	})
	if err := n.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// The node lifecycle controller marks a node whose lease was not renewed as unknown, and its pods as not ready.
func TestNodeThatWasAwayComesBackWithItsPods(t *testing.T) {
	n := startNode(t)
	n.runPod(t, "web", "http")
	podIsReady := func() bool {
		seen, err := n.client.CoreV1().Pods("ns").Get(t.Context(), "web", metav1.GetOptions{})
		return err == nil && slices.ContainsFunc(seen.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		})
	}
	eventually(t, "the pod is ready", podIsReady)
	pod, err := n.client.CoreV1().Pods("ns").Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range pod.Status.Conditions {
		pod.Status.Conditions[i].Status = corev1.ConditionFalse
	}
	if _, err := n.client.CoreV1().Pods("ns").UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	node, err := n.client.CoreV1().Nodes().Get(t.Context(), "node", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	node.Status.Conditions[0].Status = corev1.ConditionUnknown
	if _, err := n.client.CoreV1().Nodes().UpdateStatus(t.Context(), node, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if podIsReady() {
		t.Fatal("the pod is ready")
	}
	if err := n.kubelet.reportAgain(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the pod is ready again", podIsReady)
	node, err = n.client.CoreV1().Nodes().Get(t.Context(), "node", metav1.GetOptions{})
	if err != nil || node.Status.Conditions[0].Status != corev1.ConditionTrue {
		t.Errorf("the node is %v, %v", node.Status.Conditions, err)
	}
	if err := n.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30 s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
