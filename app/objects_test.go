package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// door makes a program of this machine reachable as a Pod behind a Service on port 80, and returns the Service's name.
func door(t *testing.T, name, local string) string {
	t.Helper()
	apply(t, fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %[1]s, labels: {app: %[1]s}, annotations: {fairlead.test/door: "%[2]s"}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: door, image: demo.local/door, ports: [{name: main, containerPort: 8000}]}]
---
apiVersion: v1
kind: Service
metadata: {name: %[1]s}
spec: {selector: {app: %[1]s}, ports: [{name: main, port: 80, targetPort: main}]}
`, name, local))
	waitReady(t, name)
	return name + ".default.svc"
}

// waitReady waits for the endpoint of a Service, which appears a moment after its Pod is ready.
func waitReady(t *testing.T, name string) {
	t.Helper()
	for begun := time.Now(); !strings.Contains(kubectl(t, "get", "endpointslices", "-l", "kubernetes.io/service-name="+name,
		"-o", "jsonpath={.items[*].endpoints[*].conditions.ready}"), "true"); {
		if time.Since(begun) > 30*time.Second {
			t.Fatalf("Service %s has no ready endpoint after 30 s", name)
		}
	}
}

func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := cluster.Kubectl(t.Context(), args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// apply creates objects that are deleted when the test has ended.
func apply(t *testing.T, objects string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "objects.yaml")
	if err := os.WriteFile(file, []byte(objects), 0o600); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "apply", "-f", file)
	t.Cleanup(func() {
		if out, err := cluster.Kubectl(context.Background(), "delete", "--wait=false", "-f", file); err != nil {
			t.Errorf("kubectl delete: %v\n%s", err, out)
		}
	})
}
