package main

import (
	"encoding/json"
	"html"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"fairlead/app/control"
	"fairlead/app/session"
	"fairlead/build/testport"
)

// Contexts have the names that their users like, in letters of any kind.
var oddNames = []string{
	"\U0001f469\u200d\U0001f467 family", // emoji held together by a joiner
	"team\u00a0a",                       // a no-break space
	"می\u200cخواهم",                     // from right to left, with a non-joiner
	"\ue0b0 \U0001fae9",                 // a character of an icon font, and one newer than Go's tables
	"a/b?c#d%20e&f <i>'$(x)'",           // characters with a meaning in a URL, in HTML or in a shell
}

// The name of a context that would change what is shown after it, and how it is shown.
const (
	evilName  = "evil\u202egnp\x1b[2J"
	evilShown = "evil\ufffdgnp\ufffd[2J"
)

// namedKubeconfig returns the cluster's kubeconfig with its context demo under other names.
func namedKubeconfig(t *testing.T, names ...string) string {
	t.Helper()
	text, err := os.ReadFile(cluster.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	var demo any
	for _, item := range config["contexts"].([]any) {
		if c := item.(map[string]any); c["name"] == "demo" {
			demo = c["context"]
		}
	}
	var contexts []any
	for _, name := range names {
		contexts = append(contexts, map[string]any{"name": name, "context": demo})
	}
	config["contexts"] = contexts
	if text, err = yaml.Marshal(config); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestContextsOfAnyNameCanBeUsed(t *testing.T) {
	file := namedKubeconfig(t, append(oddNames, evilName)...)
	state := t.TempDir()
	testport.Assign(t, state, oddNames...)
	r := start(t, []string{
		"XDG_STATE_HOME=" + state, "XDG_CONFIG_HOME=" + filepath.Join(state, "config"), "XDG_RUNTIME_DIR=" + filepath.Join(state, "none"),
	}, append([]string{"serve", "--kubeconfig", file}, oddNames...)...)
	r.state = state
	for _, name := range oddNames {
		line := r.line(t)
		address, ok := strings.CutPrefix(line, name+"  socks5h://")
		if !ok {
			t.Fatalf("serve printed %q for %q", line, name)
		}
		wantGet(t, "http://"+address, "http://hello/")
		if page := ownPage(t, address); !strings.Contains(html.UnescapeString(page), name) {
			t.Errorf("the page of %q does not name it", name)
		}
		r.must(t, "off", name)
		r.phase(t, name, session.Off)
		if line := r.must(t, "on", name); !strings.HasPrefix(line, name+"  socks5h://"+address) {
			t.Errorf("on printed %q", line)
		}
		if text := r.must(t, "env", name); !strings.Contains(text, address) {
			t.Errorf("env of %q printed %q", name, text)
		}
	}
	list := r.must(t, "list", "--kubeconfig", file)
	var status struct{ Contexts []control.Context }
	if err := json.Unmarshal([]byte(r.must(t, "status", "-o", "json")), &status); err != nil {
		t.Fatal(err)
	}
	for i, name := range oddNames {
		if line := lineOf(list, name); !strings.Contains(line, "  on  ") {
			t.Errorf("list printed %q for %q", line, name)
		}
		if got := status.Contexts[i]; got.Name != name || got.Phase != session.On {
			t.Errorf("status of %q: %+v", name, got)
		}
	}
	if line := lineOf(list, evilShown); !strings.Contains(line, "cannot be shown") {
		t.Errorf("list printed %q", line)
	}
	if got := r.ask(t, "on", evilName); got.status == 0 {
		t.Error("a context whose name cannot be shown was switched on")
	}
	logged := r.must(t, "logs")
	for what, text := range map[string]string{"list": list, "status": r.must(t, "status"), "logs": logged, "stderr": r.stderr.String()} {
		if strings.ContainsAny(text, "\u202e\x1b") {
			t.Errorf("%s shows what changes the text after it: %q", what, text)
		}
	}
	var kept struct{ Contexts map[string]any }
	data, err := os.ReadFile(filepath.Join(state, "fairlead", "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &kept); err != nil {
		t.Fatal(err)
	}
	for _, name := range oddNames {
		if kept.Contexts[name] == nil {
			t.Errorf("%q is not remembered", name)
		}
	}
}

// ownPage returns the proxy's own page.
func ownPage(t *testing.T, address string) string {
	t.Helper()
	response, err := http.Get("http://" + address + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}
