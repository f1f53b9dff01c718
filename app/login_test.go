package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"fairlead/build/testport"
)

// pluginContext returns the context demo-token with its token behind a credential plugin: a script that prints it,
// valid for two seconds, while the user is logged in, and counts its runs.
func pluginContext(t *testing.T) (kubeconfig, login, runs string) {
	t.Helper()
	data, err := os.ReadFile(cluster.KubeconfigToken)
	if err != nil {
		t.Fatal(err)
	}
	user := regexp.MustCompile(`(?m)^- name: bob\n  user:\n    token: (\S+)$`).FindSubmatch(data)
	if user == nil {
		t.Fatal("no user bob with a token")
	}
	dir := t.TempDir()
	plugin := filepath.Join(dir, "plugin")
	script := `#!/bin/sh
echo run >> "$0.runs"
test -e "$0.login" || { echo "your session has ended" >&2; exit 3; }
until=$(date -u -d "@$(($(date +%s) + 2))" +%Y-%m-%dT%H:%M:%SZ)
echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"` + string(user[1]) + `","expirationTimestamp":"'$until'"}}'
`
	exec := fmt.Sprintf("- name: bob\n  user:\n    exec: {apiVersion: client.authentication.k8s.io/v1, command: %q, interactiveMode: Never}", plugin)
	kubeconfig, login, runs = filepath.Join(dir, "config"), plugin+".login", plugin+".runs"
	for path, content := range map[string]string{
		plugin: script, login: "", kubeconfig: strings.Replace(string(data), string(user[0]), exec, 1),
	} {
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return kubeconfig, login, runs
}

func TestALoginThatRunsOutIsReportedAndRecoversByItself(t *testing.T) {
	kubeconfig, login, runs := pluginContext(t)
	r := start(t, nil, "serve", "--kubeconfig", kubeconfig, "--listen", "127.0.0.1:0", "demo-token")
	_, address, _ := strings.Cut(r.line(t), "  socks5h://")
	// Each request comes on a connection of its own, because an open one stays open without a login.
	ask := func() string {
		return run(t, "", "curl", "-sS", "-w", " %{http_code}", "--proxy", "http://"+address, "http://app/")
	}
	if said := ask(); !strings.HasSuffix(said, " 200") {
		t.Fatalf("logged in: %q", said)
	}
	if err := os.Remove(login); err != nil {
		t.Fatal(err)
	}
	wait := func(what string, done func() bool) {
		t.Helper()
		for deadline := time.Now().Add(90 * time.Second); !done(); time.Sleep(200 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("no %s; stderr:\n%s", what, r.stderr)
			}
		}
	}
	wait("end of the login", func() bool { return strings.Contains(ask(), "your session has ended") })
	before := count(t, runs)
	begin := time.Now()
	for range 10 {
		said := ask()
		for _, want := range []string{"failed: your session has ended.", "kubectl version --context demo-token", " 502"} {
			if !strings.Contains(said, want) {
				t.Errorf("logged out, a client gets %q", said)
			}
		}
	}
	if n := count(t, runs) - before; n > 1+int(time.Since(begin)/(2*time.Second)) {
		t.Errorf("the plugin ran %d times in %v", n, time.Since(begin))
	}
	wait("word of it on stderr", func() bool { return strings.Contains(r.stderr.String(), "your session has ended") })
	if err := os.WriteFile(login, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wait("new login", func() bool { return strings.HasSuffix(ask(), " 200") })
	wait("word of that on stderr", func() bool { return strings.Contains(r.stderr.String(), "is reachable again") })
}

func count(t *testing.T, runs string) int {
	t.Helper()
	data, err := os.ReadFile(runs)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(data), "run")
}

// Users who can write to the kubeconfig cannot run programs by that: a new plugin waits for a click.
func TestAPluginThatIsNewInTheKubeconfigIsNotRun(t *testing.T) {
	kubeconfig, _, runs := pluginContext(t)
	data, err := os.ReadFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	plugin := strings.TrimSuffix(runs, ".runs")
	other := filepath.Join(filepath.Dir(plugin), "other")
	script, err := os.ReadFile(plugin)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, nil, "serve", "--kubeconfig", kubeconfig, "--listen", fmt.Sprintf("127.0.0.1:%d", testport.Free(t)), "demo-token")
	_, address, _ := strings.Cut(r.line(t), "  socks5h://")
	ask := func() string {
		return run(t, "", "curl", "-sS", "-w", " %{http_code}", "--proxy", "http://"+address, "http://app/")
	}
	if said := ask(); !strings.HasSuffix(said, " 200") {
		t.Fatalf("the plugin that was switched on: %q", said)
	}
	if err := errors.Join(
		os.WriteFile(other, script, 0o700), os.WriteFile(other+".login", nil, 0o600),
		os.WriteFile(kubeconfig, []byte(strings.ReplaceAll(string(data), strconv.Quote(plugin), strconv.Quote(other))), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	eventually := func(want string) {
		t.Helper()
		said := ""
		for deadline := time.Now().Add(time.Minute); !strings.Contains(said, want); time.Sleep(100 * time.Millisecond) {
			if said = ask(); time.Now().After(deadline) {
				t.Fatalf("a client gets %q, want %q", said, want)
			}
		}
	}
	eventually("is new in the kubeconfig, and was not run")
	if _, err := os.Stat(other + ".runs"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the new plugin ran: %v", err)
	}
	r.must(t, "off", "demo-token")
	r.must(t, "on", "demo-token")
	eventually(" 200")
	if n := count(t, other+".runs"); n == 0 {
		t.Error("the new plugin did not run after the click")
	}
}
