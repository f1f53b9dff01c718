//go:build unix

package kubeconfig

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fairlead/kube/fault"
)

// odd has entries that cannot work, and that client-go reads without an error or says little about. In it, CA is a
// certificate, and DIR the folder of the kubeconfig.
const odd = `
clusters:
- {name: good, cluster: {server: "https://good.example", certificate-authority-data: CA}}
- {name: both, cluster: {server: "https://good.example", certificate-authority-data: CA, insecure-skip-tls-verify: true}}
- {name: insecure, cluster: {server: "https://good.example", insecure-skip-tls-verify: true}}
- {name: socks5h, cluster: {server: "https://good.example", proxy-url: "socks5h://joe:s3cret@127.0.0.1:1"}}
- {name: ca-gone, cluster: {server: "https://good.example", certificate-authority: gone/ca.crt}}
- {name: ca-folder, cluster: {server: "https://good.example", certificate-authority: .}}
- {name: ca-pipe, cluster: {server: "https://good.example", certificate-authority: pipe}}
- {name: ca-not-pem, cluster: {server: "https://good.example", certificate-authority-data: aGVsbG8=}}
- {name: ca-file-not-pem, cluster: {server: "https://good.example", certificate-authority: s3cret}}
- {name: ca-is-a-key, cluster: {server: "https://good.example", certificate-authority-data: KEY}}
users:
- {name: good, user: {token: x}}
- {name: gcp, user: {auth-provider: {name: gcp, config: {access-token: s3cret}}}}
- {name: azure, user: {auth-provider: {name: azure}}}
- {name: oidc, user: {auth-provider: {name: oidc, config: {idp-issuer-url: "https://id.example", client-id: x}}}}
- {name: other, user: {auth-provider: {name: other}}}
- {name: alpha, user: {exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: /opt/bin/aws, args: [eks, get-token]}}}
- {name: beta, user: {exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: touch, args: [DIR/ran]}}}
- {name: no-version, user: {exec: {command: touch, args: [DIR/ran], interactiveMode: Never}}}
- {name: no-mode, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: touch, args: [DIR/ran]}}}
- {name: bad-mode, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: touch, interactiveMode: Sometimes}}}
- {name: no-key, user: {client-certificate-data: CA}}
- {name: key-gone, user: {client-certificate-data: CA, client-key: gone/key.pem}}
- {name: key-not-pem, user: {client-certificate-data: CA, client-key-data: aGVsbG8=}}
- {name: certificate-not-pem, user: {client-certificate-data: aGVsbG8=, client-key-data: KEY}}
- {name: token-gone, user: {tokenFile: DIR/gone/token}}
- {name: token-and-file, user: {token: x, tokenFile: DIR/gone/token}}
- {name: two-ways, user: {token: x, username: joe, password: s3cret}}
contexts:
- {name: odd, context: {cluster: CLUSTER, user: USER}}
- {name: also-good, context: {cluster: good, user: good}}
`

const testKey = "-----BEGIN EC PRIVATE KEY-----\ns3cret==\n-----END EC PRIVATE KEY-----\n"

func TestWhatCannotWorkIsReportedBeforehand(t *testing.T) {
	ca := base64.StdEncoding.EncodeToString([]byte(caCertificate(t)))
	for _, test := range []struct {
		cluster, user string
		want          *fault.Kubeconfig // nil: it can work
	}{
		{"good", "good", nil},
		{"insecure", "good", nil},
		{"good", "oidc", nil},
		{"good", "beta", nil},
		{"good", "token-and-file", nil},
		{"both", "good", &fault.Kubeconfig{Cause: fault.KubeconfigTrust, Entry: "cluster", Name: "both"}},
		{"socks5h", "good", &fault.Kubeconfig{Cause: fault.KubeconfigProxy, Entry: "cluster", Name: "socks5h", Value: "socks5h"}},
		{"ca-gone", "good", &fault.Kubeconfig{
			Cause: fault.KubeconfigFile, Entry: "cluster", Name: "ca-gone", Field: "certificate-authority", File: "DIR/gone/ca.crt", Err: os.ErrNotExist,
		}},
		{"ca-folder", "good", &fault.Kubeconfig{
			Cause: fault.KubeconfigFile, Entry: "cluster", Name: "ca-folder", Field: "certificate-authority", File: "DIR", Err: syscall.EISDIR,
		}},
		{"ca-pipe", "good", &fault.Kubeconfig{
			Cause: fault.KubeconfigFile, Entry: "cluster", Name: "ca-pipe", Field: "certificate-authority", File: "DIR/pipe",
		}},
		{"ca-not-pem", "good", &fault.Kubeconfig{Cause: fault.KubeconfigPEM, Entry: "cluster", Name: "ca-not-pem", Field: "certificate-authority-data"}},
		{"ca-file-not-pem", "good", &fault.Kubeconfig{
			Cause: fault.KubeconfigPEM, Entry: "cluster", Name: "ca-file-not-pem", Field: "certificate-authority", File: "DIR/s3cret",
		}},
		{"ca-is-a-key", "good", &fault.Kubeconfig{Cause: fault.KubeconfigPEM, Entry: "cluster", Name: "ca-is-a-key", Field: "certificate-authority-data"}},
		{"good", "gcp", &fault.Kubeconfig{Cause: fault.KubeconfigProvider, Entry: "user", Name: "gcp", Value: "gcp"}},
		{"good", "azure", &fault.Kubeconfig{Cause: fault.KubeconfigProvider, Entry: "user", Name: "azure", Value: "azure"}},
		{"good", "other", &fault.Kubeconfig{Cause: fault.KubeconfigProvider, Entry: "user", Name: "other", Value: "other"}},
		{"good", "alpha", &fault.Kubeconfig{
			Cause: fault.KubeconfigVersion, Entry: "user", Name: "alpha", Value: "client.authentication.k8s.io/v1alpha1", Command: "/opt/bin/aws",
		}},
		{"good", "no-version", &fault.Kubeconfig{Cause: fault.KubeconfigVersion, Entry: "user", Name: "no-version", Command: "touch"}},
		{"good", "no-mode", &fault.Kubeconfig{Cause: fault.KubeconfigMode, Entry: "user", Name: "no-mode", Command: "touch"}},
		{"good", "bad-mode", &fault.Kubeconfig{Cause: fault.KubeconfigMode, Entry: "user", Name: "bad-mode", Value: "Sometimes", Command: "touch"}},
		{"good", "no-key", &fault.Kubeconfig{Cause: fault.KubeconfigKey, Entry: "user", Name: "no-key"}},
		{"good", "key-gone", &fault.Kubeconfig{
			Cause: fault.KubeconfigFile, Entry: "user", Name: "key-gone", Field: "client-key", File: "DIR/gone/key.pem", Err: os.ErrNotExist,
		}},
		{"good", "key-not-pem", &fault.Kubeconfig{Cause: fault.KubeconfigPEM, Entry: "user", Name: "key-not-pem", Field: "client-key-data"}},
		{"good", "certificate-not-pem", &fault.Kubeconfig{Cause: fault.KubeconfigPEM, Entry: "user", Name: "certificate-not-pem", Field: "client-certificate-data"}},
		{"good", "token-gone", &fault.Kubeconfig{
			Cause: fault.KubeconfigFile, Entry: "user", Name: "token-gone", Field: "tokenFile", File: "DIR/gone/token", Err: os.ErrNotExist,
		}},
		{"good", "two-ways", &fault.Kubeconfig{Entry: "context", Name: "odd"}},
		{"good", "lost", &fault.Kubeconfig{Entry: "context", Name: "odd"}},
	} {
		t.Run(test.cluster+" "+test.user, func(t *testing.T) {
			path := write(t, odd)[0]
			dir := filepath.Dir(path)
			replaced := strings.NewReplacer(": CA", ": "+ca, "KEY", base64.StdEncoding.EncodeToString([]byte(testKey)), "DIR", dir,
				"CLUSTER", test.cluster, "USER", test.user).Replace(odd)
			for file, content := range map[string]string{path: replaced, filepath.Join(dir, "s3cret"): "s3cret"} {
				if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
				t.Fatal(err)
			}
			k := Load("")
			if len(k.Problems) > 0 || byName(t, k, "also-good").Err != nil {
				t.Fatalf("%+v", k)
			}
			if _, err := os.Stat(filepath.Join(dir, "ran")); err == nil {
				t.Error("a plugin was run")
			}
			c := byName(t, k, "odd")
			if test.want == nil {
				if c.Err != nil {
					t.Errorf("%v", c.Err)
				}
				return
			}
			var got *fault.Kubeconfig
			if !errors.As(c.Err, &got) {
				t.Fatalf("%v", c.Err)
			}
			if want := test.want.Err; want != nil && !errors.Is(got.Err, want) {
				t.Errorf("because of %v, want %v", got.Err, want)
			}
			plain, want := *got, *test.want
			plain.Err, want.Err, want.Source, want.File = nil, nil, path, strings.Replace(want.File, "DIR", dir, 1)
			if plain != want {
				t.Errorf("%+v, want %+v", plain, want)
			}
			if text := c.Err.Error(); strings.Contains(strings.ReplaceAll(text, dir+"/s3cret", ""), "s3cret") || strings.Contains(text, "\n") {
				t.Errorf("error %q", text)
			}
		})
	}
}

// Two files that have a cluster and a user of the same name are merged as kubectl does it, with a warning if that
// matters.
func TestWhatAnEarlierFileOverrulesIsReported(t *testing.T) {
	const kubeadm = `
clusters: [{name: kubernetes, cluster: {server: "https://NAME.example:6443"}}]
users: [{name: kubernetes-admin, user: {token: token-of-NAME}}]
contexts: [{name: NAME, context: {cluster: kubernetes, user: kubernetes-admin}}]
`
	const k3s = `
clusters: [{name: default, cluster: {server: "https://NAME.example:6443"}}]
users: [{name: default, user: {token: token-of-NAME}}]
contexts: [{name: default, context: {cluster: default, user: default}}]
`
	named := func(text, name string) string { return strings.ReplaceAll(text, "NAME", name) }
	t.Run("a context's cluster and user", func(t *testing.T) {
		paths := write(t, named(kubeadm, "first"), named(kubeadm, "second"))
		k := Load("")
		first, second := byName(t, k, "first"), byName(t, k, "second")
		if first.Warning != nil || first.Err != nil || len(k.Problems) > 0 {
			t.Errorf("first: %v, %v, %v", first.Warning, first.Err, k.Problems)
		}
		var overruled *fault.Kubeconfig
		if second.Err != nil || second.Server != "https://first.example:6443" || !errors.As(second.Warning, &overruled) {
			t.Fatalf("second: %+v", second)
		}
		want := fault.Kubeconfig{
			Cause: fault.KubeconfigHidden, Entry: "context", Name: "second", Source: paths[0], File: paths[1],
			Value: "the cluster kubernetes and the user kubernetes-admin",
		}
		if *overruled != want {
			t.Errorf("%+v, want %+v", *overruled, want)
		}
	})
	t.Run("a context with all it names", func(t *testing.T) {
		paths := write(t, named(k3s, "first"), named(k3s, "second"))
		k := Load("")
		if len(k.Contexts) != 1 || len(k.Problems) != 1 || !k.Problems[0].Harmless {
			t.Fatalf("%+v", k)
		}
		if text := k.Problems[0].Error(); !strings.Contains(text, paths[0]) || !strings.Contains(text, paths[1]) || !strings.Contains(text, "context default") {
			t.Errorf("%q", text)
		}
	})
	t.Run("the same twice", func(t *testing.T) {
		write(t, named(k3s, "first"), named(k3s, "first"))
		if k := Load(""); len(k.Contexts) != 1 || len(k.Problems) > 0 || k.Contexts[0].Warning != nil {
			t.Errorf("%+v", k)
		}
	})
	t.Run("relative paths of two folders", func(t *testing.T) {
		text := strings.Replace(named(kubeadm, "x"), "token: token-of-x", "tokenFile: token", 1)
		paths := write(t, text, strings.Replace(text, "name: x", "name: y", 1))
		for _, path := range paths {
			if err := os.WriteFile(filepath.Join(filepath.Dir(path), "token"), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var overruled *fault.Kubeconfig
		if y := byName(t, Load(""), "y"); !errors.As(y.Warning, &overruled) || overruled.Value != "the user kubernetes-admin" {
			t.Errorf("%+v", y)
		}
	})
}
