package main

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// lineOf returns the line of a context in list's output.
func lineOf(text, context string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, "  "+context+"  ") {
			return line
		}
	}
	return ""
}

// Each entry that cannot work is listed with the reason and a remedy, and no plugin is run to find out.
func TestListSaysWhatCannotWorkAndWhatToDo(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "odd.yaml")
	ca := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}))
	ran := filepath.Join(dir, "ran")
	const exec = "client.authentication.k8s.io/"
	text := fmt.Sprintf(`
clusters:
- {name: c, cluster: {server: "https://127.0.0.1:1", certificate-authority-data: %[1]s}}
- {name: both, cluster: {server: "https://127.0.0.1:1", certificate-authority-data: %[1]s, insecure-skip-tls-verify: true}}
- {name: socks5h, cluster: {server: "https://127.0.0.1:1", proxy-url: "socks5h://127.0.0.1:1"}}
- {name: ca-gone, cluster: {server: "https://127.0.0.1:1", certificate-authority: gone/ca.crt}}
- {name: ca-not-pem, cluster: {server: "https://127.0.0.1:1", certificate-authority-data: aGVsbG8=}}
users:
- {name: u, user: {token: x}}
- {name: gcp, user: {auth-provider: {name: gcp}}}
- {name: azure, user: {auth-provider: {name: azure}}}
- {name: alpha, user: {exec: {apiVersion: %[2]sv1alpha1, command: aws, args: [eks, get-token]}}}
- {name: no-version, user: {exec: {command: touch, args: [%[3]q], interactiveMode: Never}}}
- {name: no-mode, user: {exec: {apiVersion: %[2]sv1, command: touch, args: [%[3]q]}}}
- {name: no-key, user: {client-certificate-data: %[1]s}}
- {name: token-gone, user: {tokenFile: gone/token}}
contexts:
- {name: well, context: {cluster: c, user: u}}
`, ca, exec, ran)
	rows := []struct{ context, cluster, user, problem, way string }{
		{"both-x", "both", "u", "of which only one can be", "Remove insecure-skip-tls-verify"},
		{"socks5h-x", "socks5h", "u", "socks5h:, which kubectl does not take", "Write socks5"},
		{"ca-gone-x", "ca-gone", "u", filepath.Join(dir, "gone/ca.crt"), "Put the file there"},
		{"ca-not-pem-x", "ca-not-pem", "u", "is no certificate in PEM form", "-----BEGIN CERTIFICATE-----"},
		{"gcp-x", "c", "gcp", "gke-gcloud-auth-plugin took its place", "gcloud container clusters get-credentials"},
		{"azure-x", "c", "azure", "kubelogin took its place", "kubelogin convert-kubeconfig"},
		{"alpha-x", "c", "alpha", "v1alpha1, which kubectl no longer has", "aws eks update-kubeconfig"},
		{"no-version-x", "c", "no-version", "has no apiVersion", "Write apiVersion: " + exec + "v1"},
		{"no-mode-x", "c", "no-mode", "has no interactiveMode", "Write interactiveMode: IfAvailable"},
		{"no-key-x", "c", "no-key", "without its key", "Add client-key-data"},
		{"token-gone-x", "c", "token-gone", filepath.Join(dir, "gone/token"), "Put the file there"},
		{"dangling-x", "lost", "u", `names the cluster "lost"`, "Correct it in " + file},
	}
	for _, row := range rows {
		text += fmt.Sprintf("- {name: %s, context: {cluster: %s, user: %s}}\n", row.context, row.cluster, row.user)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &running{state: t.TempDir()}
	said := r.must(t, "list", "--kubeconfig", file)
	if line := strings.TrimSpace(lineOf(said, "well")); !strings.HasSuffix(line, "default") {
		t.Errorf("a context that can be used: %q", line)
	}
	for _, row := range rows {
		line := lineOf(said, row.context)
		if !strings.Contains(line, row.problem) || !strings.Contains(line, row.way) {
			t.Errorf("%s: %q, want %q and %q", row.context, line, row.problem, row.way)
		}
		if got := r.ask(t, "serve", "--kubeconfig", file, row.context); got.status == 0 || !strings.Contains(got.stderr, row.problem) || !strings.Contains(got.stderr, row.way) {
			t.Errorf("serve %s: status %d, %q", row.context, got.status, got.stderr)
		}
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("a plugin was run")
	}
}

// Two files with the same names of cluster and user are merged like kubectl does, and that is reported.
func TestListSaysWhichFileCounts(t *testing.T) {
	dir := t.TempDir()
	var files []string
	for i, name := range []string{"first", "second"} {
		file := filepath.Join(dir, name+".yaml")
		text := fmt.Sprintf(`
clusters: [{name: kubernetes, cluster: {server: "https://127.0.0.1:%d"}}]
users: [{name: kubernetes-admin, user: {token: token-of-%s}}]
contexts: [{name: %[2]s, context: {cluster: kubernetes, user: kubernetes-admin}}, {name: shared, context: {cluster: kubernetes, user: kubernetes-admin}}]
`, i+1, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	t.Setenv("KUBECONFIG", strings.Join(files, string(os.PathListSeparator)))
	r := &running{state: t.TempDir()}
	got := r.ask(t, "list", "-o", "json")
	var lines []struct{ Name, Server, Problem string }
	if err := json.Unmarshal([]byte(got.stdout), &lines); err != nil || got.status != 0 {
		t.Fatalf("status %d, %v: %q", got.status, err, got.stderr)
	}
	for _, line := range lines {
		switch line.Name {
		case "first", "shared":
			if line.Problem != "" {
				t.Errorf("%s: %q", line.Name, line.Problem)
			}
		case "second":
			want := fmt.Sprintf("Of %s, the cluster kubernetes and the user kubernetes-admin do not count: %s has", files[1], files[0])
			if line.Server != "https://127.0.0.1:1" || !strings.HasPrefix(line.Problem, want) {
				t.Errorf("second: %s, %q", line.Server, line.Problem)
			}
		}
	}
	if len(lines) != 3 || !strings.Contains(got.stderr, "Of "+files[1]+", the context shared does not count: "+files[0]+" has") {
		t.Errorf("%d contexts, stderr %q", len(lines), got.stderr)
	}
}
