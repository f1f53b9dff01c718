//go:build unix

package plugin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"fairlead/kube/fault"
)

func TestKubercSaysWhichPluginsMayRun(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	s := newScript(t, fmt.Sprintf(token, "t"))
	t.Setenv("PATH", filepath.Dir(s.path)+string(os.PathListSeparator)+os.Getenv("PATH"))
	const head = "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n"
	for name, test := range map[string]struct {
		kuberc, variable string
		command          string // empty: the script's path
		denied           bool
	}{
		"no file":              {},
		"another preference":   {kuberc: head + "aliases: []\n"},
		"allow all":            {kuberc: head + "credentialPluginPolicy: AllowAll\n"},
		"deny all":             {kuberc: head + "credentialPluginPolicy: DenyAll\n", denied: true},
		"deny all, turned off": {kuberc: head + "credentialPluginPolicy: DenyAll\n", variable: "off"},
		"listed by path":       {kuberc: head + "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{command: " + s.path + "}]\n"},
		"listed by name":       {kuberc: head + "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{name: a plugin}]\n"},
		"named, listed by path": {kuberc: head + "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{command: other}, {command: " + s.path + "}]\n",
			command: "a plugin"},
		"not listed": {kuberc: head + "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{command: sh}]\n", denied: true},
		"another program of that name": {kuberc: head + "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{command: /opt/a plugin}]\n",
			denied: true},
		"a list without the policy": {kuberc: head + "credentialPluginAllowlist: [{command: sh}]\n", denied: true},
		"an empty list":             {kuberc: head + "credentialPluginPolicy: Allowlist\n", denied: true},
		"an unknown policy":         {kuberc: head + "credentialPluginPolicy: Some\n", denied: true},
		"no YAML":                   {kuberc: "\t- [", denied: true},
		"a later version beside":    {kuberc: "apiVersion: other/v1\nkind: Preference\n---\n" + head + "credentialPluginPolicy: DenyAll\n", denied: true},
		"another file":              {variable: filepath.Join(home, "mine"), denied: true},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(home, ".kube", "kuberc")
			if err := os.RemoveAll(filepath.Dir(file)); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if test.kuberc != "" {
				if err := os.WriteFile(file, []byte(test.kuberc), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("KUBERC", test.variable)
			config := s.config()
			if test.command != "" {
				config.Command = test.command
			}
			before := s.runs()
			err := begin(t, config).Login(t.Context())
			if !test.denied {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if login := loginError(t, err); login.Cause != fault.PluginDenied || !strings.Contains(login.Err.Error(), home) || s.runs() != before {
				t.Errorf("%+v, %d runs", login, s.runs()-before)
			}
		})
	}
}

func TestLoginCommand(t *testing.T) {
	for want, c := range map[string]clientcmdapi.ExecConfig{
		"aws sso login":                    {Command: "aws", Args: []string{"eks", "get-token"}},
		"aws sso login --profile work":     {Command: "/usr/bin/aws", Args: []string{"--profile", "work", "eks", "get-token"}},
		"aws sso login --profile env":      {Command: "aws-iam-authenticator", Env: []clientcmdapi.ExecEnvVar{{Name: "AWS_PROFILE", Value: "env"}}},
		"gcloud auth login":                {Command: "gke-gcloud-auth-plugin.EXE"},
		"az login --tenant 12-34":          {Command: "kubelogin", Args: []string{"get-token", "--login", "azurecli", "--tenant-id=12-34"}},
		"kubectl version --context prod/1": {Command: "kubelogin", Args: []string{"get-token", "--login", "devicecode"}},
		"tsh login --proxy tele.example:3": {Command: "tsh", Args: []string{"kube", "credentials", "--proxy=tele.example:3"}},
	} {
		if got := LoginCommand(&c, "prod/1"); got != want {
			t.Errorf("%s: %q, want %q", c.Command, got, want)
		}
	}
	for _, hostile := range []string{"x; rm -rf ~", "$(id)", "--proxy=x", "`id`", "a b", "a\nb", "é", "%PATH%"} {
		if got := LoginCommand(&clientcmdapi.ExecConfig{Command: "aws", Args: []string{"--profile", hostile}}, "c"); got != "" {
			t.Errorf("profile %q: %q", hostile, got)
		}
		if got := LoginCommand(&clientcmdapi.ExecConfig{Command: "x"}, hostile); got != "" {
			t.Errorf("context %q: %q", hostile, got)
		}
	}
}

// A command that is new in the kubeconfig since the user's last click runs only after a click. kuberc's policy comes
// first.
func TestANewCommandRunsOnlyAfterTheUserAllowedIt(t *testing.T) {
	s := newScript(t, fmt.Sprintf(token, "t"))
	var mu sync.Mutex
	approved := map[string]bool{}
	p, err := New(Config{Exec: s.config(), Context: "test", Approved: func(hash string) bool {
		mu.Lock()
		defer mu.Unlock()
		return approved[hash]
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Begin(func() {}))
	refused := func(cause fault.LoginCause) {
		t.Helper()
		p.Retry()
		var login *fault.Login
		if err := p.Login(t.Context()); !errors.As(err, &login) || login.Cause != cause || login.Plugin != s.path || s.runs() != 0 {
			t.Errorf("Login() = %v, after %d runs", err, s.runs())
		}
	}
	other := s.config()
	other.Args = []string{"token"}
	approved[Hash(other)] = true
	refused(fault.PluginNew)
	mu.Lock()
	approved[p.Hash()] = true
	mu.Unlock()
	kuberc := filepath.Join(t.TempDir(), "kuberc")
	if err := os.WriteFile(kuberc, []byte("apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\ncredentialPluginPolicy: DenyAll\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBERC", kuberc)
	refused(fault.PluginDenied)
	t.Setenv("KUBERC", "off")
	p.Retry()
	if err := p.Login(t.Context()); err != nil || s.runs() != 1 {
		t.Errorf("approved: %v, after %d runs", err, s.runs())
	}
}

func TestAHashIsOfAllThatAPluginIsStartedWith(t *testing.T) {
	one := clientcmdapi.ExecConfig{Command: "aws", Args: []string{"eks", "get-token"}}
	hashes := map[string]bool{}
	for _, change := range []func(*clientcmdapi.ExecConfig){
		func(*clientcmdapi.ExecConfig) {},
		func(c *clientcmdapi.ExecConfig) { c.Command = "/tmp/aws" },
		func(c *clientcmdapi.ExecConfig) { c.Args = []string{"eks get-token"} },
		func(c *clientcmdapi.ExecConfig) {
			c.Env = []clientcmdapi.ExecEnvVar{{Name: "LD_PRELOAD", Value: "/tmp/x.so"}}
		},
	} {
		c := one
		change(&c)
		hashes[Hash(&c)] = true
	}
	if len(hashes) != 4 {
		t.Errorf("%d hashes of 4 commands", len(hashes))
	}
}
