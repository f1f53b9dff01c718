package kubeconfig

import (
	"errors"
	"strings"
	"testing"
	"unicode"

	"fairlead/kube/fault"
)

// FuzzKubeconfig reads arbitrary bytes as a kubeconfig. Each of its contexts can be used or has a reason why not, in
// text that a terminal may show, and the file means the same when it is read again. Nothing is run, whatever it has.
func FuzzKubeconfig(f *testing.F) {
	for _, seed := range []string{
		one("a"), one("a") + "\nextra: [", "users: *x", "contexts: [{name: a, context: x}, {name: a}, x, {context: {}}]", "a: &a [x]\nusers: [*a, {name: *a}, {<<: *a, name: x}]",
		`{"contexts": [{"name": "z", "context": {"cluster": "c", "user": "u"}}], "clusters": [{"name": "c", "cluster": {"server": "https://u:p@c/?q", "proxy-url": "ftp://u:p@x"}}], "users": [{"name": "u", "user": {"token": 1}}]}`,
		strings.Replace(one("a"), "token: s3cret-a", "exec: {apiVersion: client.authentication.k8s.io/v1, command: a, args: [b], interactiveMode: Never}", 1),
		strings.Replace(one("a"), "token: s3cret-a", "client-certificate-data: eA==, client-key-data: eA==", 1), "kind: List", "clusters: {}\ncontexts: 1\nusers: ~",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		k := fuzzed(data).kubeconfig()
		for _, p := range k.Problems {
			checkReason(t, p)
		}
		for _, c := range k.Contexts {
			if c.Err != nil {
				checkReason(t, c.Err)
			} else if k.merged.config.Contexts[c.Name] == nil {
				t.Errorf("context %q is neither present nor broken", c.Name)
			}
			for _, text := range []string{c.Name, c.Cluster, c.User, c.Namespace, c.Server} {
				if strings.ContainsFunc(text, unicode.IsControl) {
					t.Errorf("context %q has %q", c.Name, text)
				}
			}
		}
		again := fuzzed(data).kubeconfig()
		if len(again.Contexts) != len(k.Contexts) || len(again.Problems) != len(k.Problems) {
			t.Fatalf("read again it has %d contexts and %d problems, and had %d and %d", len(again.Contexts), len(again.Problems), len(k.Contexts), len(k.Problems))
		}
		for i, c := range k.Contexts {
			if again.Contexts[i].Name != c.Name || again.Contexts[i].Fingerprint() != c.Fingerprint() {
				t.Errorf("read again %q is %q, with another fingerprint", c.Name, again.Contexts[i].Name)
			}
		}
	})
}

// fuzzed returns the reading of a kubeconfig file with this content. It is in no existing folder, so that few of the
// files that data names exist.
func fuzzed(data []byte) *merged {
	return readKubeconfigBy("/nonexistent/config", func(file string) reading { return parseFile(content{data: data}, file) })
}

// checkReason fails the test if err does not fit one line of a terminal, or names a part of a kubeconfig without its
// place.
func checkReason(t *testing.T, err error) {
	t.Helper()
	if text := err.Error(); text == "" || strings.ContainsFunc(text, unicode.IsControl) {
		t.Errorf("a reason reads %q", text)
	}
	var entry *fault.Kubeconfig
	if errors.As(err, &entry) && (entry.Entry == "" || entry.Source == "" && !strings.Contains(err.Error(), "/nonexistent/config")) {
		t.Errorf("it names no place: %+v", entry)
	}
}

// FuzzNoReasonRepeatsASecret puts a secret into a field of an entry that may hold one, after and before arbitrary text.
func FuzzNoReasonRepeatsASecret(f *testing.F) {
	const secret = "hunter2secret"
	fields := []string{"token", "password", "client-key-data", "client-certificate-data"}
	for i := range fields {
		for _, around := range [][2]string{
			{" ", "\n"}, {" [", "]"}, {" {", ": {"}, {" '", ""}, {" !!binary ", ""}, {" !!int ", "\n"}, {" *", "\n"}, {" \"\\x", "\"\n"}, {" |", "\n  x"}, {" 1", ""},
		} {
			f.Add(uint8(i), around[0], around[1])
		}
	}
	f.Fuzz(func(t *testing.T, field uint8, before, after string) {
		// On another line it would be no secret, nor if an alias repeats it.
		if strings.ContainsAny(before, "\n\r\u0085\u2028\u2029") || strings.Contains(after, "*") {
			return
		}
		text := "clusters: [{name: c, cluster: {server: \"https://c\"}}]\ncontexts: [{name: a, context: {cluster: c, user: u}}]\nusers:\n- name: u\n  user:\n    " +
			fields[int(field)%len(fields)] + ":" + before + secret + after
		m := fuzzed([]byte(text))
		k := m.kubeconfig()
		for _, p := range k.Problems {
			if strings.Contains(p.Error(), secret) {
				t.Errorf("%q: %v", text, p)
			}
		}
		for _, c := range k.Contexts {
			for _, err := range []error{c.Err, c.Warning} {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("%q: %v", text, err)
				}
			}
		}
		if _, _, err := m.restConfig("a"); err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
