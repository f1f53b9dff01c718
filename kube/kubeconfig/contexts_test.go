package kubeconfig

import (
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/kube/fault"
	"fairlead/proxy/safetext"
)

// oneContext is a valid file with one context, whose name is NAME.
const oneContext = `apiVersion: v1
kind: Config
current-context: NAME
clusters:
- name: NAME-cluster
  cluster: {server: "https://NAME.example:6443"}
users:
- name: NAME-user
  user: {token: s3cret-NAME}
contexts:
- name: NAME
  context: {cluster: NAME-cluster, user: NAME-user, namespace: NAME-ns}
`

func one(name string) string { return strings.ReplaceAll(oneContext, "NAME", name) }

// write puts files into a directory, and lists them in KUBECONFIG in the order given.
func write(t *testing.T, files ...string) (paths []string) {
	t.Helper()
	dir := t.TempDir()
	for i, content := range files {
		path := filepath.Join(dir, string(rune('a'+i)), "config")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	t.Setenv("KUBECONFIG", strings.Join(paths, string(os.PathListSeparator)))
	return paths
}

func byName(t *testing.T, k Config, name string) Context {
	t.Helper()
	for _, c := range k.Contexts {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no context %q in %+v", name, k)
	return Context{}
}

// plain returns a context without its fingerprint.
func plain(c Context) Context {
	c.fingerprint = ""
	return c
}

func TestContextsSayWhatTheirFilesSay(t *testing.T) {
	paths := write(t, one("b"), one("a"))
	k := Load("")
	if len(k.Problems) > 0 || len(k.Contexts) != 2 {
		t.Fatalf("%+v", k)
	}
	want := Context{Name: "b", Cluster: "b-cluster", User: "b-user", Namespace: "b-ns", Server: "https://b.example:6443", File: paths[0], Current: true}
	if got := plain(k.Contexts[0]); got != want {
		t.Errorf("got %+v, want %+v", k.Contexts[0], want)
	}
	want = Context{Name: "a", Cluster: "a-cluster", User: "a-user", Namespace: "a-ns", Server: "https://a.example:6443", File: paths[1]}
	if got := plain(k.Contexts[1]); got != want {
		t.Errorf("got %+v, want %+v", k.Contexts[1], want)
	}
}

func TestContextsKeepTheOrderOfTheFile(t *testing.T) {
	write(t, `
clusters: [{name: c, cluster: {server: "https://c.example"}}]
users: [{name: u, user: {token: t}}]
contexts:
- {name: zebra, context: {cluster: c, user: u}}
- {name: ant, context: {cluster: c, user: u}}
- {name: mole, context: {cluster: c, user: u}}
`)
	var names []string
	for _, c := range Load("").Contexts {
		names = append(names, c.Name)
		if c.Namespace != "default" || c.Err != nil {
			t.Errorf("%+v", c)
		}
	}
	if got := strings.Join(names, " "); got != "zebra ant mole" {
		t.Errorf("order %s", got)
	}
}

func TestFirstFileWinsAName(t *testing.T) {
	second := strings.ReplaceAll(one("a"), "a.example", "other.example") + "- name: extra\n  context: {cluster: a-cluster, user: a-user}\n"
	paths := write(t, one("a"), second)
	k := Load("")
	if len(k.Contexts) != 2 {
		t.Fatalf("%+v", k)
	}
	if a := byName(t, k, "a"); a.Server != "https://a.example:6443" || a.File != paths[0] {
		t.Errorf("%+v", a)
	}
	// The second file's context uses the first file's cluster of that name, as with kubectl.
	if extra := byName(t, k, "extra"); extra.Server != "https://a.example:6443" || extra.File != paths[1] || extra.Err != nil {
		t.Errorf("%+v", extra)
	}
}

func TestMissingFilesOfTheListDoNotMatter(t *testing.T) {
	paths := write(t, one("a"))
	t.Setenv("KUBECONFIG", "/does/not/exist"+string(os.PathListSeparator)+paths[0])
	if k := Load(""); len(k.Contexts) != 1 || len(k.Problems) != 0 || len(k.Files) != 2 {
		t.Errorf("%+v", k)
	}
}

func TestAMissingFileThatWasGivenIsAProblem(t *testing.T) {
	k := Load("/does/not/exist")
	if len(k.Problems) != 1 || k.Problems[0].Error() != "/does/not/exist: no such file or directory" {
		t.Errorf("%+v", k)
	}
}

// Each broken file is reported with its line, hides no other file, and nothing of its content is shown.
func TestABrokenFileHidesNoOther(t *testing.T) {
	for name, test := range map[string]struct{ content, want string }{
		"tab":           {"apiVersion: v1\nkind: Config\nusers:\n- name: u\n\tuser: {token: s3cret}\n", "line 5: not valid YAML"},
		"bad indent":    {"apiVersion: v1\nclusters:\n- name: c\n  cluster:\n    server: x\n   other: s3cret\n", "line 6: not valid YAML"},
		"open quote":    {"apiVersion: v1\nkind: \"Config\nusers: s3cret\n", "line 2: not valid YAML"},
		"unknown alias": {"users:\n- name: u\n  user: {password: *s3cret}\n", "line 3: not valid YAML"},
		"a list":        {"- s3cret\n", "not a kubeconfig: no fields at the top"},
		"a word":        {"s3cret", "not a kubeconfig: no fields at the top"},
		"another kind":  {"apiVersion: v1\nkind: Secret\ndata: {x: s3cret}\n", `line 2: not a kubeconfig: its kind is not "Config"`},
		"users no list": {"apiVersion: v1\nkind: Config\nusers: s3cret\n", `line 3: "users" is not a list`},
		"no name":       {"users:\n- user: {token: s3cret}\n  name: [s3cret]\n", "line 2: a user without a name"},
		"twice":         {"users:\n- {name: u, user: {token: s3cret}}\n- {name: u, user: {token: s3cret}}\n", `line 3: a second user "u"; the first one counts`},
		"binary":        {"\x00\x01\x02s3cret", "line 1: not valid YAML: control characters are not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			paths := write(t, one("first"), test.content, one("last"))
			k := Load("")
			byName(t, k, "first")
			byName(t, k, "last")
			if len(k.Problems) != 1 {
				t.Fatalf("problems %v", k.Problems)
			}
			text := k.Problems[0].Error()
			if !strings.HasPrefix(text, paths[1]+": ") || !strings.Contains(text, test.want) {
				t.Errorf("problem %q, want %q", text, test.want)
			}
			if strings.Contains(text, "s3cret") {
				t.Errorf("secret in %q", text)
			}
		})
	}
}

// Each context is listed with the reason why it cannot be used, and hides no other.
func TestABrokenContextHidesNoOther(t *testing.T) {
	const good = `
clusters:
- {name: good, cluster: {server: "https://good.example"}}
- {name: no-server, cluster: {insecure-skip-tls-verify: true}}
- {name: secret-proxy, cluster: {server: "https://good.example", proxy-url: "ftp://joe:s3cret@proxy.example"}}
- {name: bad-proxy, cluster: {server: "https://good.example", proxy-url: "http://joe:s3cret@[::1"}}
- {name: no-url, cluster: {server: "https://joe:s3cret@"}}
- {name: no-ca, cluster: {server: "https://good.example", certificate-authority: ca.crt}}
users:
- {name: good, user: {token: s3cret}}
- {name: two-ways, user: {token: s3cret, username: joe, password: s3cret}}
- {name: no-plugin, user: {exec: {apiVersion: client.authentication.k8s.io/v1}}}
contexts:
- {name: good, context: {cluster: good, user: good}}
- {name: CONTEXT, context: {cluster: CLUSTER, user: USER, namespace: NAMESPACE}}
- {name: also-good, context: {cluster: good, user: good}}
`
	for name, test := range map[string]struct{ context, cluster, user, namespace, want string }{
		"no such cluster":    {"bad", "lost", "good", "ns", `it names the cluster "lost", which the kubeconfig does not have`},
		"no such user":       {"bad", "good", "lost", "ns", `it names the user "lost", which the kubeconfig does not have`},
		"neither of both":    {"bad", "lost", "gone", "ns", `it names the cluster "lost" and the user "gone", which the kubeconfig does not have`},
		"names none":         {"bad", "''", "''", "ns", "it names no cluster and no user"},
		"names one":          {"bad", "''", "gone", "ns", `it names no cluster, and names the user "gone", which the kubeconfig does not have`},
		"no server":          {"bad", "no-server", "good", "ns", `no server found for cluster "no-server"`},
		"bad namespace":      {"bad", "good", "good", "../etc", `namespace "../etc"`},
		"proxy scheme":       {"bad", "secret-proxy", "good", "ns", `its proxy-url has the scheme "ftp"`},
		"proxy URL":          {"bad", "bad-proxy", "good", "ns", "its proxy-url is not a URL"},
		"server URL":         {"bad", "no-url", "good", "ns", "server is not a URL"},
		"no CA file":         {"bad", "no-ca", "good", "ns", "no such file or directory"},
		"two ways to log in": {"bad", "good", "two-ways", "ns", "more than one authentication method"},
		"plugin unnamed":     {"bad", "good", "no-plugin", "ns", "command must be specified"},
		"name unfit":         {`"ba\ed"`, "good", "good", "ns", "characters that cannot be shown"},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, strings.NewReplacer("CONTEXT", test.context, "CLUSTER", test.cluster, "USER", test.user, "NAMESPACE", test.namespace).Replace(good))
			k := Load("")
			if len(k.Problems) > 0 || len(k.Contexts) != 3 {
				t.Fatalf("%+v", k)
			}
			if k.Contexts[0].Err != nil || k.Contexts[2].Err != nil {
				t.Errorf("good contexts: %v, %v", k.Contexts[0].Err, k.Contexts[2].Err)
			}
			bad := k.Contexts[1]
			if bad.Err == nil || !strings.Contains(bad.Err.Error(), test.want) || strings.HasPrefix(test.want, "it names") && bad.Err.Error() != test.want {
				t.Fatalf("error %v, want %q", bad.Err, test.want)
			}
			if text := bad.Err.Error() + bad.Server + bad.Name; strings.Contains(text, "s3cret") || strings.ContainsAny(text, "\n\x1b") {
				t.Errorf("error %q", text)
			}
		})
	}
}

// One entry that cannot be parsed makes client-go reject the whole file. Here it has an effect only on the contexts
// that name it.
func TestABrokenEntryHidesNoOtherOfItsFile(t *testing.T) {
	paths := write(t, `apiVersion: v1
kind: Config
current-context: good
clusters:
- name: good
  cluster: {server: "https://good.example"}
- name: bad
  cluster: {server: ["s3cret"]}
users:
- name: good
  user: {token: s3cret}
- name: bad
  user: {client-certificate-data: "%%s3cret%%"}
contexts:
- name: good
  context: {cluster: good, user: good}
- name: bad-cluster
  context: {cluster: bad, user: good}
- name: bad-user
  context: {cluster: good, user: bad}
- name: bad-context
  context: s3cret
- name: also-good
  context: {cluster: good, user: good, namespace: ns}
`)
	k := Load("")
	if len(k.Problems) > 0 || len(k.Contexts) != 5 {
		t.Fatalf("%+v", k)
	}
	if good := byName(t, k, "good"); good.Err != nil || good.Server != "https://good.example" || !good.Current {
		t.Errorf("%+v", good)
	}
	if good := byName(t, k, "also-good"); good.Err != nil || good.Namespace != "ns" {
		t.Errorf("%+v", good)
	}
	for name, want := range map[string]string{
		"bad-cluster": `its cluster "bad": ` + paths[0] + ": line 7: its field clusters.cluster.server cannot be array",
		"bad-user":    `its user "bad": ` + paths[0] + ": line 12: one of its fields is not base64",
		"bad-context": "line 21: its field contexts.context cannot be string",
	} {
		c := byName(t, k, name)
		if c.Err == nil || c.Err.Error() != want {
			t.Errorf("%s: %v, want %s", name, c.Err, want)
		}
	}
}

// A context may be called anything that does no harm where it is shown.
func TestNamesOfContexts(t *testing.T) {
	for yamlName, want := range map[string]string{
		`"\U0001F469\u200D\U0001F467 family"`: "\U0001f469\u200d\U0001f467 family", // emoji held together by a joiner
		`"team\_a"`:                           "team\u00a0a",                       // a no-break space
		`"a\u3000b"`:                          "a\u3000b",
		`"\u2764\uFE0F"`:                      "\u2764\ufe0f",
		`"می\u200Cخواهم"`:                     "می\u200cخواهم",
		`"\uE0B0 main"`:                       "\ue0b0 main", // an icon font's
		`"\U0001FAE9"`:                        "\U0001fae9",  // younger than Go's tables
		`"zero\u200Bwidth"`:                   "zero\u200bwidth",
		`"e\u0301"`:                           "e\u0301",
		`"a/b?c#d%e&f <i>'$(x)' \"q\""`:       `a/b?c#d%e&f <i>'$(x)' "q"`,
		`"ba\ed"`:                             "", // the rest cannot be shown
		`"a\nb"`:                              "",
		`"a\tb"`:                              "",
		`"a\x9bb"`:                            "",
		`"a\Nb"`:                              "",
		`"evil\u202Egnp"`:                     "",
		`"a\u2066b"`:                          "",
		`"a\Lb"`:                              "",
	} {
		write(t, strings.Replace(`
clusters: [{name: c, cluster: {server: "https://c.example"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: NAME, context: {cluster: c, user: u}}]
`, "NAME", yamlName, 1))
		k := Load("")
		if len(k.Problems) > 0 || len(k.Contexts) != 1 {
			t.Errorf("%s: %+v", yamlName, k)
			continue
		}
		c := k.Contexts[0]
		var unfit *fault.Kubeconfig
		if want == "" {
			if !errors.As(c.Err, &unfit) || unfit.Cause != fault.KubeconfigName || strings.ContainsFunc(c.Name, func(r rune) bool { return !safetext.Safe(r) }) {
				t.Errorf("%s: %q, %v", yamlName, c.Name, c.Err)
			}
			continue
		}
		if c.Err != nil || c.Name != want {
			t.Errorf("%s: %q, %v", yamlName, c.Name, c.Err)
		}
		if _, _, err := k.RESTConfig(want); err != nil {
			t.Errorf("%s: %v", yamlName, err)
		}
	}
}

func TestRelativePathsAreRelativeToTheirFile(t *testing.T) {
	paths := write(t, one("first"), `
clusters: [{name: c, cluster: {server: "https://c.example", certificate-authority: pki/ca.crt}}]
users: [{name: u, user: {tokenFile: token}}]
contexts: [{name: a, context: {cluster: c, user: u}}]
`)
	dir := filepath.Dir(paths[1])
	for file, content := range map[string]string{"pki/ca.crt": caCertificate(t), "token": "from-file"} {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if c := byName(t, Load(""), "a"); c.Err != nil {
		t.Fatal(c.Err)
	}
	k := Load("")
	config, _, err := k.RESTConfig("a")
	if err != nil {
		t.Fatal(err)
	}
	if config.CAFile != filepath.Join(dir, "pki/ca.crt") || config.BearerTokenFile != filepath.Join(dir, "token") || config.BearerToken != "from-file" {
		t.Errorf("CA %s, token file %s, token %q", config.CAFile, config.BearerTokenFile, config.BearerToken)
	}
	if config.QPS != -1 || !strings.HasPrefix(config.UserAgent, "fairlead/") {
		t.Errorf("QPS %v, user agent %q", config.QPS, config.UserAgent)
	}
}

func TestContextsAreInTheOrderTheyAreWrittenIn(t *testing.T) {
	const rest = "clusters: [{name: c, cluster: {server: \"https://c\"}}]\nusers:\n- name: c\n  user: {token: t}\n"
	list := func(indent string) string {
		return "contexts: # mine\n" + indent + "- name: z\n" + indent + "  context: {cluster: c, user: c}\n\n# the other\n" + indent + "- {name: a, context: {cluster: c, user: c}}\n"
	}
	for name, text := range map[string]string{
		"first":       list("") + rest,
		"last":        rest + list("  "),
		"between":     "kind: Config\n" + list("  ") + rest,
		"flow":        rest + "contexts: [{name: z, context: {cluster: c, user: c}},\n  {name: a, context: {cluster: c, user: c}}]\nkind: Config\n",
		"JSON":        `{"contexts": [{"name": "z", "context": {"cluster": "c"}}, {"name": "a", "context": {"cluster": "c"}}]}`,
		"JSON lines":  "{\n\"contexts\": [{\"name\": \"z\", \"context\": {}},\n{\"name\": \"a\", \"context\": {}}]\n}\n",
		"key quoted":  rest + strings.Replace(list(""), "contexts:", `"contexts":`, 1),
		"with anchor": "users:\n- name: &n z\n  user: {}\ncontexts:\n- {name: *n, context: {}}\n- {name: a, context: {}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			p := parseKubeconfig([]byte(text))
			if len(p.errs) > 0 || len(p.contexts) != 2 || p.contexts[0].name != "z" || p.contexts[1].name != "a" {
				t.Errorf("contexts %v, %v", p.contexts, p.errs)
			}
		})
	}
}

// A key in another case is unknown to client-go: it neither adds contexts nor hides existing ones.
func TestContextsAreThoseThatKubectlHas(t *testing.T) {
	for text, want := range map[string]string{
		"Contexts: [{name: x, context: {cluster: c, user: c}}]\n": "",
		one("a") + "Contexts: 1\n":                                "a",
		one("a") + "CONTEXTS: [{name: x, context: {}}]\n":         "a",
	} {
		var names []string
		for _, entry := range parseKubeconfig([]byte(text)).contexts {
			names = append(names, entry.name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%q has the contexts %q, want %q", text, got, want)
		}
	}
}

// caCertificate returns a certificate in PEM form.
func caCertificate(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}
