package main

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pluginOfAdmin returns the context demo with its user's certificate behind a credential plugin, which provides it
// while there is a login.
func pluginOfAdmin(t *testing.T) (kubeconfig, login string) {
	t.Helper()
	data, err := os.ReadFile(cluster.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	user := regexp.MustCompile(`(?m)^- name: admin\n  user:\n    client-certificate-data: (\S+)\n    client-key-data: (\S+)$`).FindSubmatch(data)
	if user == nil {
		t.Fatal("no user admin with a certificate")
	}
	status := map[string]string{}
	for i, key := range []string{"clientCertificateData", "clientKeyData"} {
		text, err := base64.StdEncoding.DecodeString(string(user[i+1]))
		if err != nil {
			t.Fatal(err)
		}
		status[key] = string(text)
	}
	answer, err := json.Marshal(map[string]any{
		"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status,
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	plugin := filepath.Join(dir, "plugin")
	kubeconfig, login = filepath.Join(dir, "config"), plugin+".login"
	exec := "- name: admin\n  user:\n    exec: {apiVersion: client.authentication.k8s.io/v1, command: " + plugin + ", interactiveMode: Never}"
	for path, content := range map[string]string{
		plugin:     "#!/bin/sh\nexec cat \"$0.login\"\n",
		login:      string(answer),
		kubeconfig: strings.Replace(string(data), string(user[0]), exec, 1),
	} {
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return kubeconfig, login
}

func TestABrowserGetsTheClustersRangesBeforeThereIsALogin(t *testing.T) {
	// Names of two labels that end in this belong to the Internet, unless the browser knows the namespace.
	apply(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")
	kubeconfig, login := pluginOfAdmin(t)
	state := t.TempDir()
	served := func() (*running, func() string) {
		r := start(t, []string{"XDG_STATE_HOME=" + state}, "serve", "--kubeconfig", kubeconfig, "--listen", "127.0.0.1:0", "demo")
		_, address, _ := strings.Cut(r.line(t), "socks5h://")
		return r, func() string {
			script := run(t, "", "curl", "-sS", "--noproxy", "*", "http://"+address+"/proxy.pac")
			return strings.Join(regexp.MustCompile(`(?m)^var (?:namespaces|known) = .*$`).FindAllString(script, -1), "\n")
		}
	}
	r, script := served()
	var whole string
	eventually(t, "the script has the namespace and ranges", func() bool {
		whole = script()
		return strings.Contains(whole, " shop ") && strings.Contains(whole, "known = [[")
	})
	r.stop(t)
	if err := os.Remove(login); err != nil {
		t.Fatal(err)
	}
	_, script = served()
	if now := script(); !strings.Contains(now, " shop ") || !strings.Contains(now, whole[strings.Index(whole, "known = [["):]) {
		t.Errorf("without a login a browser gets\n%s\nand with one\n%s", now, whole)
	}
}
