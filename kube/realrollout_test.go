package kube

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fairlead/build/clustertest"
)

// rolled is a Deployment whose programs refuse new connections and finish open ones when they have to stop.
const rolled = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: rolled, namespace: default}
spec:
  replicas: 3
  selector: {matchLabels: {app: rolled}}
  template:
    metadata: {labels: {app: rolled}, annotations: {fairlead.test/stop-after: 0s}}
    spec:
      terminationGracePeriodSeconds: 60
      automountServiceAccountToken: false
      containers: [{name: http, image: demo.local/http, imagePullPolicy: Never, ports: [{name: http, containerPort: 8080}]}]
---
apiVersion: v1
kind: Service
metadata: {name: rolled, namespace: default}
spec: {selector: {app: rolled}, ports: [{name: http, port: 80, targetPort: http}]}
`

// rollout replaces all Pods of a Service twice under steady requests. No request may be lost, short or long.
func rollout(t *testing.T, cluster *clustertest.Cluster) {
	apply := cluster.KubectlCommand(t.Context(), "apply", "-f", "-")
	apply.Stdin = strings.NewReader(rolled)
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("kubectl apply: %v: %s", err, out)
	}
	kubectl(t, cluster, "rollout", "status", "deployment", "rolled", "--timeout=60s")
	c := openReal(t, cluster.Kubeconfig, "demo")
	waitFor(t, "the Service to answer", func() bool { _, err := ask(c, "rolled:80"); return err == nil })

	var short, long atomic.Int64
	var pods sync.Map
	over := make(chan struct{})
	var wg sync.WaitGroup
	finish := sync.OnceFunc(func() { close(over); wg.Wait() })
	defer finish()
	steadily := func(count *atomic.Int64, path string, want int64) {
		wg.Go(func() {
			for ; ; count.Add(1) {
				select {
				case <-over:
					return
				case <-time.After(10 * time.Millisecond):
				}
				pod, n, err := fetch(c, "http://rolled"+path)
				if err != nil || n < want {
					t.Errorf("%s: Pod %s, %d bytes, %v", path, pod, n, err)
				}
				pods.Store(pod, true)
			}
		})
	}
	for range 4 {
		steadily(&short, "/", 1)
	}
	const size = 4 << 20
	for range 2 {
		steadily(&long, fmt.Sprintf("/big?bytes=%d", size), size)
	}
	served := func() (n int) {
		pods.Range(func(any, any) bool { n++; return true })
		return n
	}
	for i := range 2 {
		waitFor(t, "Pods to serve the requests", func() bool { return served() > 3*i })
		kubectl(t, cluster, "patch", "deployment", "rolled", "-p",
			fmt.Sprintf(`{"spec":{"template":{"metadata":{"annotations":{"round":"%d"}}}}}`, i))
		kubectl(t, cluster, "rollout", "status", "deployment", "rolled", "--timeout=120s")
	}
	waitFor(t, "new Pods to serve the requests, short and long", func() bool {
		return served() > 6 && short.Load() >= 20 && long.Load() >= 4
	})
	finish()
	t.Logf("%d short and %d long requests, served by %d Pods", short.Load(), long.Load(), served())
}

// fetch sends one request over its own connection, and returns the number of bytes in the answer.
func fetch(c *Cluster, url string) (pod string, bytes int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	transport := &http.Transport{DialContext: openedDial(c), DisableKeepAlives: true}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", 0, err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return "", 0, err
	}
	defer response.Body.Close()
	bytes, err = io.Copy(io.Discard, response.Body)
	return response.Header.Get("X-Pod"), bytes, err
}

// half is a Service with two ready Pods of which one refuses every connection.
const half = `
apiVersion: v1
kind: Pod
metadata: {name: half-good, namespace: default, labels: {app: half}}
spec:
  automountServiceAccountToken: false
  containers: [{name: http, image: demo.local/http, imagePullPolicy: Never, ports: [{name: http, containerPort: 8080}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: half-bad, namespace: default, labels: {app: half}}
spec:
  automountServiceAccountToken: false
  containers: [{name: refuses, image: demo.local/refuses, imagePullPolicy: Never, ports: [{name: http, containerPort: 8080}]}]
---
apiVersion: v1
kind: Service
metadata: {name: half, namespace: default}
spec: {selector: {app: half}, ports: [{name: http, port: 80, targetPort: http}]}
`

// secondEndpoint tests that a client does not notice a Pod that refuses while another one serves.
func secondEndpoint(t *testing.T, cluster *clustertest.Cluster) {
	apply := cluster.KubectlCommand(t.Context(), "apply", "-f", "-")
	apply.Stdin = strings.NewReader(half)
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("kubectl apply: %v: %s", err, out)
	}
	waitFor(t, "both Pods to be ready", func() bool {
		return strings.Count(kubectl(t, cluster, "get", "endpointslices", "-l", "kubernetes.io/service-name=half",
			"-o", "jsonpath={.items[*].endpoints[*].conditions.ready}"), "true") == 2
	})
	// Each of these knows nothing about the Pods at first, so it tries either with the same probability.
	for range 20 {
		c := openReal(t, cluster.Kubeconfig, "demo")
		for range 3 {
			if pod, err := ask(c, "half:80"); err != nil || pod != "default/half-good" {
				t.Errorf("Pod %q, %v", pod, err)
			}
		}
	}
}
