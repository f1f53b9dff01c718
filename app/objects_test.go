package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/build/clustertest"
)

// door makes a program of this machine reachable as a Pod behind a Service on port 80, and returns the Service's name.
func door(t *testing.T, name, local string) string {
	t.Helper()
	apply(t, clustertest.Door(name, local, 80))
	waitReady(t, name)
	return name + ".default.svc"
}

// waitReady waits for a ready endpoint of a Service.
func waitReady(t *testing.T, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := cluster.WaitReady(ctx, name); err != nil {
		t.Fatal(err)
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
