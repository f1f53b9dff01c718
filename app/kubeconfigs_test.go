//go:build linux && desktops

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// fewContexts writes the cluster's kubeconfig with typical names, and with a cluster that does not respond.
func fewContexts(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(cluster.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	context := func(name, cluster, user, namespace string) any {
		return map[string]any{"name": name, "context": map[string]any{"cluster": cluster, "user": user, "namespace": namespace}}
	}
	config["clusters"] = append(config["clusters"].([]any), map[string]any{"name": "away", "cluster": map[string]any{"server": "https://127.0.0.1:1"}})
	config["current-context"] = "dev"
	config["contexts"] = []any{
		context("staging", "cluster", "admin", "default"), context("prod-eu", "cluster", "alice", "team"), context("away", "away", "alice", "web"),
		context("legacy", "cluster", "admin", "default"), context("dev", "cluster", "alice", "team"), context("old", "gone", "alice", "default"),
	}
	return write(t, filepath.Join(dir, "few.yaml"), config)
}

// manyContexts writes 200 contexts in 12 files.
func manyContexts(t *testing.T, dir string) string {
	t.Helper()
	kinds := []string{
		"gke_my-project-%[2]d_europe-west1_cluster-%[1]d", "arn:aws:eks:eu-central-1:12345678901%[2]d:cluster/team-%[1]d", "team%[2]d-app-%[1]d", "kind-%[1]d", "%[1]d.lab",
	}
	files := []string{"work", "home", "lab", "customer-a", "customer-b", "customer-c", "eu", "us", "asia", "edge", "training", "attic"}
	contexts := make([][]string, len(files))
	for i := range 200 {
		name := fmt.Sprintf(kinds[i%len(kinds)], i, i%3)
		contexts[i%len(files)] = append(contexts[i%len(files)], name)
	}
	var paths []string
	for i, file := range files {
		paths = append(paths, write(t, filepath.Join(dir, file+".yaml"), contextsNamed(contexts[i]...)))
	}
	return strings.Join(paths, string(filepath.ListSeparator))
}

// contextsNamed returns a kubeconfig with contexts whose clusters do not respond.
func contextsNamed(names ...string) map[string]any {
	var contexts []any
	for _, name := range names {
		contexts = append(contexts, map[string]any{"name": name, "context": map[string]any{"cluster": "c", "user": "u"}})
	}
	return map[string]any{
		"apiVersion": "v1", "kind": "Config", "contexts": contexts,
		"clusters": []any{map[string]any{"name": "c", "cluster": map[string]any{"server": "https://127.0.0.1:1"}}},
		"users":    []any{map[string]any{"name": "u", "user": map[string]any{"token": "none"}}},
	}
}

func write(t *testing.T, path string, config map[string]any) string {
	t.Helper()
	text, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
