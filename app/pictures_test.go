//go:build linux && pictures

package main

import (
	"fmt"
	"image"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"fairlead/build/desktoptest"
)

// TestPictures makes the pictures of the menu: go test -tags pictures -run Pictures ./app ; FAIRLEAD_PICTURES says where to.
func TestPictures(t *testing.T) {
	dir := os.Getenv("FAIRLEAD_PICTURES")
	if !filepath.IsAbs(dir) {
		t.Fatal("FAIRLEAD_PICTURES is no absolute path")
	}
	for theme, suffix := range map[string]string{"Adwaita": "", "Adwaita:dark": "-dark"} {
		t.Run(theme, func(t *testing.T) {
			d := newDesktop(t, desktoptest.Options{Notifications: desktoptest.Recorder, Width: 1280, Height: 900})
			d.Setenv("GTK_THEME", theme)
			d.StartPanel(t)
			taken, err := net.Listen("tcp", "127.0.0.1:1083")
			if err != nil {
				t.Fatal(err)
			}
			defer taken.Close()
			d.start(t, fewContexts(t, d.Home()), "dev")
			d.shoot(t, filepath.Join(dir, "menu-off"+suffix+".png"), "dev")
			d.icon.Click(t, "staging")
			d.waitOn(t, "staging")
			d.shoot(t, filepath.Join(dir, "menu-production"+suffix+".png"), "⚠ prod-eu  (production)", "Start prod-eu…", "Yes, start prod-eu")
			d.icon.Click(t, "⚠ prod-eu  (production)", "Start prod-eu…", "Yes, start prod-eu")
			d.waitOn(t, "⚠ prod-eu")
			d.icon.Click(t, "away")
			d.row(t, "away", "to be degraded", func(n desktoptest.Node) bool { return strings.HasSuffix(n.Label, "(degraded)") })
			d.icon.Click(t, "legacy")
			d.row(t, "legacy", "to have failed", func(n desktoptest.Node) bool { return strings.HasSuffix(n.Label, "failed") })
			staging := "    staging: copy, open, more"
			d.shoot(t, filepath.Join(dir, "menu"+suffix+".png"), staging, "Copy for", "bash, zsh")
			d.icon.Click(t, staging, "Services", "Load Services")
			d.icon.WaitAt(t, staging, "Services", "default", "hello")
			d.shoot(t, filepath.Join(dir, "menu-services"+suffix+".png"), staging, "Services", "default", "hello", "Copy http://hello.default.svc/  (http)")
			d.shoot(t, filepath.Join(dir, "menu-more"+suffix+".png"), "More", "Notify of", "A context that failed or came back")
			d.icon.Click(t, "Quit")
			d.program.Wait(t)

			d.Setenv("KUBECONFIG", manyContexts(t, d.Home()))
			d.run(t)
			d.icon = d.Tray(t, "Fairlead")
			d.shoot(t, filepath.Join(dir, "menu-many"+suffix+".png"), "work.yaml  (17)", "gke_my-project-0_europe-west1_cluster-0")
		})
	}
}

// shoot saves a picture of the panel and the open menu, with the pointer on an entry.
func (d *onDesktop) shoot(t *testing.T, file string, entry ...string) {
	t.Helper()
	d.icon.WaitShown(t)
	whole := image.Rectangle{}
	for _, menu := range d.icon.Point(t, entry...) {
		whole = whole.Union(menu)
	}
	whole = whole.Inset(-12)
	whole.Min.Y = 0
	d.Screenshot(t, file, whole)
	d.CloseMenu(t)
}

// fewContexts is the cluster's kubeconfig with names as people have them, and with a cluster that nobody answers for.
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
	config["contexts"] = []any{
		context("staging", "cluster", "admin", "default"), context("prod-eu", "cluster", "alice", "team"), context("away", "away", "alice", "web"),
		context("legacy", "cluster", "admin", "default"), context("dev", "cluster", "alice", "team"), context("old", "gone", "alice", "default"),
	}
	return write(t, filepath.Join(dir, "few.yaml"), config)
}

// manyContexts are 200 contexts in 12 files.
func manyContexts(t *testing.T, dir string) string {
	t.Helper()
	kinds := []string{
		"gke_my-project-%[2]d_europe-west1_cluster-%[1]d", "arn:aws:eks:eu-central-1:12345678901%[2]d:cluster/team-%[1]d", "team%[2]d-app-%[1]d", "kind-%[1]d", "%[1]d.lab",
	}
	files := []string{"work", "home", "lab", "customer-a", "customer-b", "customer-c", "eu", "us", "asia", "edge", "training", "attic"}
	contexts := make([][]any, len(files))
	for i := range 200 {
		name := fmt.Sprintf(kinds[i%len(kinds)], i, i%3)
		contexts[i%len(files)] = append(contexts[i%len(files)], map[string]any{"name": name, "context": map[string]any{"cluster": "c", "user": "u"}})
	}
	var paths []string
	for i, file := range files {
		paths = append(paths, write(t, filepath.Join(dir, file+".yaml"), map[string]any{
			"apiVersion": "v1", "kind": "Config", "contexts": contexts[i],
			"clusters": []any{map[string]any{"name": "c", "cluster": map[string]any{"server": "https://127.0.0.1:1"}}},
			"users":    []any{map[string]any{"name": "u", "user": map[string]any{"token": "none"}}},
		}))
	}
	return strings.Join(paths, string(filepath.ListSeparator))
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
