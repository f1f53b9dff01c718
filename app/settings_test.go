package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/app/instance"
	"fairlead/app/settings"
	"fairlead/kube/kubeconfig"
)

// checked runs settings check on a settings file with this text, in a directory that has the certificate files named in
// it.
func checked(t *testing.T, text string) said {
	t.Helper()
	r := &running{state: t.TempDir()}
	dir := filepath.Join(r.state, "config", "fairlead")
	newAuthority(t, filepath.Join(dir, "ca.crt")).issue(t, 2, filepath.Join(dir, "own.crt"), filepath.Join(dir, "own.key"))
	writeFile(t, filepath.Join(dir, "no.crt"), "no certificate\n")
	writeFile(t, filepath.Join(dir, "broken.kubeconfig"), "contexts: [\n")
	writeFile(t, filepath.Join(dir, "empty.kubeconfig"), "apiVersion: v1\nkind: Config\n")
	for _, name := range []string{"browser", "text"} {
		writeFile(t, filepath.Join(dir, name), "#!/bin/sh\n")
	}
	if err := os.Chmod(filepath.Join(dir, "browser"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "config.yaml"), strings.ReplaceAll(text, "DIR", dir))
	return r.ask(t, "settings", "check")
}

func TestSettingsCheckLooksAtWhatTheSettingsName(t *testing.T) {
	good := "kubeconfig: [" + cluster.Kubeconfig + "]\n"
	for name, test := range map[string]struct {
		text, says string
		status     int
	}{
		"certificates":       {good + "defaults: {tls: {cert: own.crt, key: own.key, client-ca: ca.crt}}\n", "", 0},
		"no certificate":     {good + "defaults:\n  tls: {cert: none.crt, key: own.key, client-ca: ca.crt}\n", "config.yaml:3: the listener's certificate: open DIR/none.crt: no such file", 1},
		"no key":             {good + "contexts:\n  demo:\n    tls: {cert: own.crt, key: no.crt, client-ca: ca.crt}\n", "config.yaml:4: the listener's certificate: ", 1},
		"no authority":       {good + "defaults: {tls: {cert: own.crt, key: own.key, client-ca: no.crt}}\n", "config.yaml:2: the authority of the clients' certificates: DIR/no.crt has no certificate", 1},
		"missing kubeconfig": {"kubeconfig:\n  - " + cluster.Kubeconfig + "\n  - none.kubeconfig\n", "config.yaml:3: DIR/none.kubeconfig: no such file", 1},
		"broken kubeconfig":  {"kubeconfig: [broken.kubeconfig]\n", "config.yaml:1: DIR/broken.kubeconfig: line 1: not valid YAML", 1},
		"empty kubeconfig":   {"kubeconfig: [empty.kubeconfig]\n", "config.yaml:1: DIR/empty.kubeconfig has no context", 1},
		"a browser":          {good + "browser: DIR/browser\n", "", 0},
		"no browser":         {good + "browser: netscape\n", `config.yaml:2: no browser "netscape" was found`, 1},
		"missing browser":    {good + "browser: DIR/none\n", "config.yaml:2: the browser DIR/none cannot be run: ", 1},
		"no program":         {good + "browser: DIR/text\n", "config.yaml:2: the browser DIR/text cannot be run: permission denied", 1},
		"unknown context":    {good + "contexts: {demo-tem: {outside: refuse}}\n", `config.yaml:2: no context "demo-tem" in the kubeconfig; close to it: demo-team`, 0},
		"open to all":        {good + "defaults: {password: true, listen: 0.0.0.0}\ncontexts: {demo: {password: false}}\n", "context demo: It would let in anybody who can reach 0.0.0.0", 1},
		"two":                {"kubeconfig: [none.kubeconfig]\nbrowser: netscape\n", "config.yaml:2: no browser", 1},
	} {
		t.Run(name, func(t *testing.T) {
			got := checked(t, test.text)
			dir, _, _ := strings.Cut(got.stdout+got.stderr, "/config.yaml")
			dir = strings.TrimPrefix(dir[strings.LastIndex(dir, "\n")+1:], "fairlead: ")
			says := strings.ReplaceAll(test.says, "DIR", dir)
			fine := strings.Contains(got.stdout, "nothing is wrong")
			if got.status != test.status || !strings.Contains(got.stdout, says) || fine != (test.says == "") || (got.stderr == "") != (got.status == 0) {
				t.Errorf("%q is not in %+v", says, got)
			}
		})
	}
}

// A settings file with a password must be readable only by its owner.
func TestAPasswordThatOthersCanReadIsReported(t *testing.T) {
	for _, test := range []struct {
		text         string
		file, folder os.FileMode
		said         bool
	}{
		{"defaults: {password: {user: me, password: s3cret}}\n", 0o644, 0o755, true},
		{"contexts: {demo: {password: {user: me, password: s3cret}}}\n", 0o640, 0o750, true},
		{"contexts: {demo: {api-proxy: \"http://me:s3cret@proxy.example:3128\"}}\n", 0o644, 0o755, true},
		{"defaults: {api-proxy: \"http://s3cret@proxy.example:3128\"}\n", 0o644, 0o755, true},
		{"defaults: {api-proxy: \"http://proxy.example:3128\"}\n", 0o644, 0o755, false},
		{"defaults: {password: {user: me, password: s3cret}}\n", 0o644, 0o700, false},
		{"defaults: {password: {user: me, password: s3cret}}\n", 0o604, 0o750, false},
		{"defaults: {password: {user: me, password: s3cret}}\n", 0o600, 0o755, false},
		{"defaults: {password: true}\n", 0o644, 0o755, false},
	} {
		r := &running{state: t.TempDir()}
		file := filepath.Join(r.state, "config", "fairlead", "config.yaml")
		writeFile(t, file, "kubeconfig: ["+cluster.Kubeconfig+"]\n"+test.text)
		if err := errors.Join(os.Chmod(file, test.file), os.Chmod(filepath.Dir(file), test.folder)); err != nil {
			t.Fatal(err)
		}
		const text = "config.yaml: other users of this machine can read the password in it: chmod 600 "
		got := r.ask(t, "settings", "check")
		if strings.Contains(got.stdout, text+file) != test.said || (got.status == 1) != test.said || strings.Contains(got.stdout+got.stderr, "s3cret") {
			t.Errorf("%q in a file of %o in a folder of %o: %+v", test.text, test.file, test.folder, got)
		}
		store, _, err := settings.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		p := &instance.Instance{Store: store, Files: instance.Files{Settings: settings.Load(store, file)}}
		p.Kubeconfig.Store(&kubeconfig.Config{})
		if lines := strings.Join(p.Problems(), "\n"); strings.Contains(lines, text) != test.said {
			t.Errorf("the menu says %q", lines)
		}
		if err := os.Chmod(file, 0o600); err != nil {
			t.Fatal(err)
		}
		if changed := p.Settings.Reload(); changed != (test.file != 0o600 && test.folder != 0o700 && test.file != 0o604) || len(p.Problems()) != 0 {
			t.Errorf("after chmod 600: changed %t, %q", changed, p.Problems())
		}
	}
}

func TestListObeysTheKubeconfigOfTheSettings(t *testing.T) {
	r := &running{state: t.TempDir()}
	config := filepath.Join(r.state, "config", "fairlead", "config.yaml")
	writeFile(t, config, "kubeconfig: ["+cluster.Kubeconfig+"]\n")
	t.Setenv("KUBECONFIG", filepath.Join(r.state, "none"))
	if text := r.must(t, "list"); !strings.Contains(text, "demo-team") {
		t.Errorf("list:\n%s", text)
	}
	if text := r.must(t, "__completeNoDesc", "serve", ""); !strings.Contains(text, "demo-team") {
		t.Errorf("completion:\n%s", text)
	}
	// A file named on the command line takes precedence.
	other := filepath.Join(r.state, "other")
	writeFile(t, other, "contexts: [{name: lonely, context: {cluster: none, user: none}}]\n")
	if text := r.must(t, "list", "--kubeconfig", other); strings.Contains(text, "demo") || !strings.Contains(text, "lonely") {
		t.Errorf("list --kubeconfig:\n%s", text)
	}
	writeFile(t, config, "kubeconfig: ["+cluster.Kubeconfig+"]\nbrowsr: firefox\n")
	if got := r.ask(t, "list"); !strings.Contains(got.stderr, config+`:2: unknown key "browsr"`) || got.status != 0 {
		t.Errorf("list with a mistake in the settings: %+v", got)
	}
}

// Problems of the kubeconfig are reported first, and each is reported once.
func TestAKubeconfigThatCannotBeReadIsReportedFirst(t *testing.T) {
	r := &running{state: t.TempDir()}
	t.Setenv("HOME", r.state)
	t.Setenv("KUBECONFIG", "")
	missing, broken := filepath.Join(r.state, "missing"), filepath.Join(r.state, "broken")
	writeFile(t, broken, "contexts: [\n")
	for _, test := range []struct{ kubeconfig, first string }{
		{missing, "/missing: no such file or directory"},
		{broken, "/broken: line 1: not valid YAML"},
		{"", "no contexts found in ~/.kube/config (no such file)"},
	} {
		for _, args := range [][]string{{"list"}, {"serve"}, {"serve", "demo"}} {
			if test.kubeconfig != "" {
				args = append(args, "--kubeconfig", test.kubeconfig)
			}
			got := r.ask(t, args...)
			first, rest, _ := strings.Cut(got.stderr, "\n")
			if !strings.HasPrefix(first, "fairlead: ") || !strings.Contains(first, test.first) || strings.Contains(rest, test.first) {
				t.Errorf("%s:\n%s", args, got.stderr)
			}
			if lines := strings.Count(got.stderr, "\n"); lines != 1 {
				t.Errorf("%s says %d lines:\n%s", args, lines, got.stderr)
			}
		}
	}
}
