//go:build node

package nodetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/build/clustertest"
)

// holder is the environment variable that makes the test program start a cluster with that version of containerd, print
// the launcher's process id and the state directory, and wait.
const holder = "NODETEST_HOLD"

// runtimes are the versions of containerd that every test runs on.
var runtimes = []string{clustertest.Containerd16, clustertest.Containerd22}

// clusters holds the clusters that tests share, by version of containerd; each is started at its first use.
var clusters struct {
	mu      sync.Mutex
	running map[string]*clustertest.Cluster
}

func TestMain(m *testing.M) {
	if version := os.Getenv(holder); version != "" {
		c, err := clustertest.Launch(context.Background(), clustertest.Options{
			Node: clustertest.RealNode, Containerd: version, NoFixtures: true, Log: os.Stderr,
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(c.PID(), c.State)
		select {}
	}
	if address := os.Getenv(nameServer); address != "" {
		fmt.Fprintln(os.Stderr, "name server:", serveNames(address))
		os.Exit(1)
	}
	if file := os.Getenv(pageServer); file != "" {
		fmt.Fprintln(os.Stderr, "page server:", servePage(file))
		os.Exit(1)
	}
	clusters.running = map[string]*clustertest.Cluster{}
	status := m.Run()
	var err error
	for _, c := range clusters.running {
		err = errors.Join(err, c.Stop())
	}
	if path, _ := built(); path != "" {
		err = errors.Join(err, os.RemoveAll(filepath.Dir(path)))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "clean up:", err)
		status = 1
	}
	os.Exit(status)
}

// onOwnCluster runs a test on its own cluster with each version of containerd, for tests that disturb the node.
func onOwnCluster(t *testing.T, test func(t *testing.T, c *clustertest.Cluster)) {
	for _, version := range runtimes {
		t.Run("containerd-"+version, func(t *testing.T) {
			test(t, clustertest.Start(t, clustertest.Options{Node: clustertest.RealNode, Containerd: version}))
		})
	}
}

// onEachCluster runs a test on a shared cluster with each version of containerd, with the fixtures and an audit log. A test
// must undo its changes to the cluster.
func onEachCluster(t *testing.T, test func(t *testing.T, c *clustertest.Cluster)) {
	for _, version := range runtimes {
		t.Run("containerd-"+version, func(t *testing.T) { test(t, sharedCluster(t, version)) })
	}
}

func sharedCluster(t *testing.T, version string) *clustertest.Cluster {
	t.Helper()
	clusters.mu.Lock()
	defer clusters.mu.Unlock()
	if c := clusters.running[version]; c != nil {
		return c
	}
	c, err := clustertest.Launch(t.Context(), clustertest.Options{
		Node: clustertest.RealNode, Containerd: version, Audit: true, Log: os.Stderr,
	})
	if err != nil {
		t.Fatalf("start a cluster with containerd %s: %v", version, err)
	}
	clusters.running[version] = c
	return c
}

// kubectl returns the output of kubectl, without surrounding space.
func kubectl(t *testing.T, c *clustertest.Cluster, args ...string) string {
	t.Helper()
	output, err := c.Kubectl(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(output))
}

// apply creates the objects of a manifest, and deletes them at the end of the test, unless its cluster has ended by
// then.
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
	if err := feed(t.Context(), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !c.Running() {
			return
		}
		if err := feed(context.Background(), "delete", "--ignore-not-found", "--wait=false", "-f", "-"); err != nil {
			t.Error(err)
		}
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
		time.Sleep(20 * time.Millisecond)
	}
}
