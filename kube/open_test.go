package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/build/clustertest"
	"fairlead/kube/kubeconfig"
)

// written writes a kubeconfig and returns its path.
func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenRunsNoPluginAndSendsNothing(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "ran")
	path := written(t, fmt.Sprintf(`
clusters: [{name: c, cluster: {server: "https://192.0.2.1"}}]
users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: touch, args: [%q], interactiveMode: Never}}}]
contexts: [{name: a, context: {cluster: c, user: u}}]
`, mark))
	cluster, err := Open(Config{Kubeconfig: path, Context: "a"})
	if err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end() // no server can be reached now
	for host, want := range map[string]bool{"web": true, "www.example.com": false} {
		if got, err := inCluster(ended, cluster, host); got != want || err != nil {
			t.Errorf("Lookup(%s) = %v, %v", host, got, err)
		}
	}
	if got, err := inCluster(ended, cluster, "web.dev"); got || !errors.Is(err, context.Canceled) {
		t.Errorf("Lookup(web.dev) = %v, %v", got, err)
	}
	if cluster.Namespace() != "default" {
		t.Error("the cluster does not know its namespace")
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the plugin ran")
	}
}

func TestOpenReportsWhyAContextCannotBeUsed(t *testing.T) {
	path := written(t, "users: [{name: u, user: {token: t}}]\ncontexts: [{name: b, context: {cluster: lost, user: u}}]\n")
	for name, want := range map[string]string{"b": `the cluster "lost", which the kubeconfig does not have`, "c": `no context "c"`} {
		if _, err := Open(Config{Kubeconfig: path, Context: name}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%s): %v, want %q", name, err, want)
		}
	}
}

// withoutKubeconfig opens the cluster from a rest.Config, as a program in a Pod would.
func withoutKubeconfig(t *testing.T, cluster *clustertest.Cluster) {
	config, _, err := restConfig(cluster.Kubeconfig, "demo")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	c, err := Open(Config{REST: config, Namespace: "team"})
	if err != nil {
		t.Fatal(err)
	}
	run(t, c)
	for address, want := range map[string]string{"app:80": "team/", "hello.default:80": "default/"} {
		if pod, err := ask(c, address); err != nil || !strings.HasPrefix(pod, want) {
			t.Errorf("%s: %q, %v", address, pod, err)
		}
	}
	if _, steps, err := walked(t, c, "app:80", nil); err != nil || steps[StepKubeconfig].Detail != "none is used: namespace team" {
		t.Errorf("a walk: %+v, %v", steps, err)
	}
	if config.Proxy != nil || config.WrapTransport != nil || config.Dial != nil {
		t.Error("the caller's configuration was changed")
	}
	if c, err := Open(Config{REST: config}); err != nil || c.Namespace() != "default" {
		t.Errorf("without a namespace: %v", err)
	}
}

// A kubeconfig that was read is not read again: a context's fingerprint and its cluster must come from the same state.
func TestOpenReadsNoKubeconfigAgain(t *testing.T) {
	path := written(t, "clusters: [{name: c, cluster: {server: \"https://192.0.2.1\"}}]\nusers: [{name: u, user: {token: t}}]\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n")
	loaded := kubeconfig.Load(path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	c, err := Open(Config{Kubeconfig: path, Loaded: &loaded, Context: "a"})
	if err != nil || c.api.Faults.Server != "192.0.2.1" {
		t.Errorf("Open: %+v, %v", c, err)
	}
}
