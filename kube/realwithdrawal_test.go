package kube

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fairlead/build/clustertest"
)

// slowWork is a Service with one Pod, which works on each request for a while.
const slowWork = `
apiVersion: v1
kind: Pod
metadata: {name: %[1]s, namespace: default, labels: {app: %[1]s}, annotations: {fairlead.test/work: %[2]s}}
spec:
  automountServiceAccountToken: false
  containers: [{name: http, image: demo.local/http, imagePullPolicy: Never, ports: [{name: http, containerPort: 8080}]}]
---
apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: default}
spec: {selector: {app: %[1]s}, ports: [{name: http, port: 80, targetPort: http}]}
`

// askSlow creates such a Service and sends it a request. It returns once the Pod has the request. The channel receives the
// outcome.
func askSlow(t *testing.T, cluster *clustertest.Cluster, name, work string) (ended chan error) {
	t.Helper()
	apply := cluster.KubectlCommand(t.Context(), "apply", "-f", "-")
	apply.Stdin = strings.NewReader(fmt.Sprintf(slowWork, name, work))
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("kubectl apply: %v: %s", err, out)
	}
	waitFor(t, "the Pod to be listed", func() bool { return slowListed(t, cluster, name) == "true" })
	c := openReal(t, cluster.Kubeconfig, "demo")
	ended = make(chan error, 1)
	go func() {
		pod, err := ask(c, name+":80")
		if err == nil && pod != "default/"+name {
			err = fmt.Errorf("Pod %q answered", pod)
		}
		ended <- err
	}()
	waitFor(t, "the Pod to have the request", func() bool {
		stats, err := cluster.Stats(t.Context())
		return err == nil && stats.Pod("default", name).BytesIn > 0
	})
	waitFor(t, "the watch", func() bool { return isWatched(c, "default", name) })
	return ended
}

// slowListed returns "true" or "false" while the Service's Pod is listed as ready or not ready, and "" otherwise.
func slowListed(t *testing.T, cluster *clustertest.Cluster, name string) string {
	return kubectl(t, cluster, "get", "endpointslices", "-l", "kubernetes.io/service-name="+name,
		"-o", "jsonpath={.items[*].endpoints[*].conditions.ready}")
}

// lostLabels takes a Pod out of its Service while it works on a request. The Pod still runs, and answers.
func lostLabels(t *testing.T, cluster *clustertest.Cluster) {
	ended := askSlow(t, cluster, "relabelled", "8s")
	kubectl(t, cluster, "patch", "service", "relabelled", "-p", `{"spec":{"selector":{"app":"others"}}}`)
	waitFor(t, "the Pod to be listed no more", func() bool { return slowListed(t, cluster, "relabelled") == "" })
	select {
	case err := <-ended:
		t.Fatalf("the request ended before its time: %v", err)
	default:
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// deletedUnanswered deletes a Pod by force while it works on a request, and while its node's connections are dead. The
// request ends soon.
func deletedUnanswered(t *testing.T, cluster *clustertest.Cluster) {
	ended := askSlow(t, cluster, "deleted", "10m")
	if err := cluster.Blackhole(t.Context(), "default/deleted", true); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cluster.Heal(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	kubectl(t, cluster, "delete", "pod", "deleted", "--force", "--grace-period=0")
	waitFor(t, "the Pod to be listed no more", func() bool { return slowListed(t, cluster, "deleted") == "" })
	begun := time.Now()
	err := <-ended
	if took := time.Since(begun); err == nil || !strings.Contains(err.Error(), "the Pod is gone") || took > 2*time.Second {
		t.Errorf("after %s: %v", took, err)
	}
}
