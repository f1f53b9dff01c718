package settings

import (
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

func config(t *testing.T, text string) Config {
	t.Helper()
	c, err := Parse([]byte(text), "/home/me/.config/fairlead/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestExampleParsesAndSaysTheDefaults(t *testing.T) {
	c := config(t, string(Example()))
	for _, name := range []string{"dev", "prod-eu", "arn:aws:eks:eu-west-1:1:cluster/prod"} {
		if got, want := c.context(name, contextState{}), (Config{}).context(name, contextState{}); !sameContext(got, want) {
			t.Errorf("%s: the example makes %+v, an empty file %+v", name, got, want)
		}
	}
	if c.productionNames != nil {
		t.Errorf("production-names %q", c.productionNames)
	}
	for _, kind := range Notifications() {
		if c.notifies(kind) != (Config{}).notifies(kind) {
			t.Errorf("notifications %s differ", kind)
		}
	}
	if c.LoginShell != LoginShellAuto || c.MiddleClick != MiddleClickNothing || c.Browser != "" || c.Kubeconfig != nil {
		t.Errorf("got %+v", c)
	}
}

// sameContext compares settings, and treats no addresses, routes and upstreams like empty ones.
func sameContext(a, b Context) bool {
	if len(a.Routes) == 0 && len(b.Routes) == 0 {
		a.Routes, b.Routes = nil, nil
	}
	if len(a.Upstreams) == 0 && len(b.Upstreams) == 0 {
		a.Upstreams, b.Upstreams = nil, nil
	}
	if len(a.Addresses) == 0 && len(b.Addresses) == 0 {
		a.Addresses, b.Addresses = nil, nil
	}
	return reflect.DeepEqual(a, b)
}

var commentedOut = regexp.MustCompile(`(?m)^( *)#(\S)`)

// The commented examples must parse as well, so that no key in them is misspelt.
func TestExampleParsesWithEverythingInIt(t *testing.T) {
	text := commentedOut.ReplaceAllString(string(Example()), "$1$2")
	// Some keys appear with their default and with another value; only the latter is kept here.
	text = strings.NewReplacer("  addresses: []\n", "", "  password: false\n", "", "  api-proxy: auto\n", "", "  routes: []\n", "", "upstreams: {}\n", "").Replace(text)
	t.Setenv("HOME", "/home/me")
	c := config(t, text)
	staging, prod := c.context("staging", contextState{}), c.context("prod-1", contextState{})
	if staging.Port() != 1090 || staging.Namespace != "shop" || prod.Outside != Refuse || prod.AutoOff != time.Hour {
		t.Errorf("staging %+v\nprod-1 %+v", staging, prod)
	}
	if prod.Credentials.User != "me" || prod.TLS.Key != "/home/me/.config/fairlead/proxy.key" || len(prod.Addresses) != 2 || strings.Join(prod.Namespaces, " ") != "dev prod" {
		t.Errorf("prod-1 %+v", prod)
	}
	if want := []string{"/home/me/.kube/config", "/home/me/.config/fairlead/work.yaml"}; !reflect.DeepEqual(c.Kubeconfig, want) {
		t.Errorf("kubeconfig %q", c.Kubeconfig)
	}
	// The example must contain every key.
	for _, key := range []string{
		"port", "listen", "outside", "forward-unresolved", "cross-site", "namespace", "host-network", "addresses", "namespaces", "cluster-domain", "password", "tls", "other-users", "production",
		"auto-off", "carrier", "api-proxy", "forwards", "proxies", "connections", "handshake", "idle", "sessions-per-pod", "sessions-per-context",
	} {
		if !strings.Contains(text, "  "+key+":") {
			t.Errorf("%s is not in the example", key)
		}
	}
}

func TestProblemsNameTheLineAndWhatMayHaveBeenMeant(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"near key", "defaults:\n  host_netwrk: true\n", `f:2: unknown key "host_netwrk" in defaults: did you mean host-network?`},
		{"far key", "notifications:\n  everything: true\n", `f:2: unknown key "everything" in notifications: there are starts, dials, contexts, logins, ports`},
		{"top key", "context:\n  a: {}\n", `f:1: unknown key "context": did you mean contexts?`},
		{"in a context", "contexts:\n  a:\n    portt: 1\n", `f:3: unknown key "portt" in a: did you mean port?`},
		{"wrong type", "defaults: [1]\n", "f:1: this must be keys with values, and is a list"},
		{"not a boolean", "defaults:\n  production: yes\n", `f:2: "yes" is none of true, false`},
		{"not a number", "contexts:\n  a:\n    port: http\n", `f:3: "http" is not a number from 1 to 65535`},
		{"port too great", "contexts:\n  a:\n    port: 70000\n", `f:3: "70000" is not a number from 1 to 65535`},
		{"port for many", "defaults:\n  port: 1080\n", "f:2: a port is one context's: it can stand below a full name only"},
		{"port for a glob", "contexts:\n  'a*': {port: 1080}\n", "f:2: a port is one context's: it can stand below a full name only"},
		{"port twice", "contexts:\n  a: {port: 1}\n  b:\n    port: 1\n", "f:4: port 1 of b is the one of a already (line 2)"},
		{"outside", "defaults: {outside: drect}\n", `f:1: there is no upstream "drect": did you mean direct?`},
		{"cross-site", "defaults: {cross-site: false}\n", `f:1: "false" is none of allow, refuse`},
		{"middle-click", "browser: a\nmiddle-click: copy\n", `f:2: "copy" is none of nothing, copy-url`},
		{"middle-click list", "middle-click: [copy-url]\n", "f:1: this must be a text, and is a list"},
		{"near top key", "middle_click: copy-url\n", `f:1: unknown key "middle_click": did you mean middle-click?`},
		{"not a time", "defaults:\n  auto-off: 8\n", `f:2: "8" is not a time like 30s, 10m or 8h`},
		{"not a range", "defaults:\n  addresses:\n  - 10.0.0.0/8\n  - ten\n", `f:4: "ten" is not a range of addresses like 10.0.0.0/8`},
		{"not a list", "kubeconfig: a\n", "f:1: this must be a list, and is a single value"},
		{"listens to all", "contexts:\n  a:\n    listen: 0.0.0.0\n", "f:3: a would let in anybody who can reach 0.0.0.0: give it a password, or tls, which wants client certificates"},
		{"defaults listen to all", "defaults:\n  listen: '::'\n", "f:2: defaults would let in anybody who can reach ::: give it a password, or tls, which wants client certificates"},
		{"listen with a port", "defaults:\n  listen: 127.0.0.1:1080\n", `f:2: "127.0.0.1:1080" is not an IP address to listen on (the port is a key of its own)`},
		{"password alone", "defaults:\n  password: {password: hunter2}\n", "f:2: a password takes both a user and a password, or is true to have both made up"},
		{"api-proxy of another kind", "contexts:\n  a:\n    api-proxy: ftp://proxy.example\n", "f:3: an api-proxy is auto, none, or a URL that begins with http://, https://, socks5:// or socks5h://"},
		{"api-proxy without a scheme", "defaults: {api-proxy: \"proxy.example:3128\"}\n", "f:1: an api-proxy is auto, none, or a URL"},
		{"api-proxy that is a yes or no", "defaults: {api-proxy: false}\n", "f:1: an api-proxy is auto, none, or a URL"},
		{"api-proxy with one slash", "defaults:\n  api-proxy: http:/proxy.example\n", "f:2: an api-proxy is auto, none, or a URL"},
		{"api-proxy list", "defaults:\n  api-proxy: [none]\n", "f:2: an api-proxy is auto, none, or a URL that begins with http://, https://, socks5:// or socks5h://, and not a list"},
		{"api-proxy without a host", "defaults:\n  api-proxy: http://:3128\n", "f:2: the URL of the api-proxy names no host"},
		{"api-proxy without anything", "defaults:\n  api-proxy: socks5://\n", "f:2: the URL of the api-proxy names no host"},
		{"api-proxy with a path", "defaults:\n  api-proxy: http://proxy.example/pac\n", "f:2: the URL of the api-proxy has something after the host and the port"},
		{"api-proxy with a query", "defaults:\n  api-proxy: http://proxy.example?a=b\n", "f:2: the URL of the api-proxy has something after the host and the port"},
		{"api-proxy at port 0", "defaults:\n  api-proxy: http://proxy.example:0\n", "f:2: the URL of the api-proxy has a port that is not from 1 to 65535"},
		{"api-proxy at too great a port", "defaults:\n  api-proxy: http://proxy.example:65536\n", "f:2: the URL of the api-proxy has a port that is not from 1 to 65535"},
		{"api-proxy at no number", "defaults:\n  api-proxy: http://proxy.example:http\n", "f:2: the URL of the api-proxy cannot be read"},
		{"api-proxy of SOCKS without a user", "defaults:\n  api-proxy: socks5://:x@proxy.example\n", "f:2: the URL of the api-proxy has a user or a password that SOCKS5 cannot carry"},
		{"tls alone", "defaults:\n  tls: {cert: a}\n", "f:2: tls takes three files: cert, key and client-ca, since it lets in only clients with a certificate"},
		{"namespaces", "defaults: {namespaces: [dev, Team_A]}\n", `f:1: "Team_A" cannot be the name of a namespace`},
		{"namespaces", "defaults: {namespaces: dev}\n", `f:1: this must be a list, and is a single value`},
		{"namespace", "defaults: {namespace: Team_A}\n", `f:1: "Team_A" cannot be the name of a namespace`},
		{"key twice", "browser: a\nbrowser: b\n", "f:2: browser is here twice (the first is in line 1)"},
		{"tab", "defaults:\n\tlisten: 127.0.0.1\n", "f:2: not valid YAML: found character that cannot start any token (perhaps a tab: YAML is indented with spaces)"},
		{"broken", "defaults:\n  listen: [\n", "f:2: not valid YAML: did not find expected node content"},
		{"two documents", "browser: a\n---\nbrowser: b\n", "f: more than one document: there must be no line of ---"},
		{"several", "a: 1\nb: 2\n", "f:1: unknown key \"a\": there are"},
		{"control characters", "browser: \"a\\e[31m\"\n", "f:1: this must be a text of one line, and is \"a\uFFFD[31m\""},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := problemOf(c.text)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
	_, err := Parse([]byte("a: 1\nb: 2\n"), "f")
	if all, ok := err.(Problems); !ok || len(all) != 2 {
		t.Errorf("got %v, want both problems", err)
	}
}

func TestProblemsNeverRepeatAPassword(t *testing.T) {
	for _, text := range []string{
		"defaults:\n  password: {user: me, password: [hunter2]}\n",
		"defaults:\n  password: {user: me, password: \"hunter2\\n\"}\n",
		"defaults:\n  password: hunter2\n",
		"defaults:\n  password: *hunter2\n",
		"defaults:\n  password: [hunter2]\n",
		"defaults:\n  password: {hunter2}\n",
		"defaults:\n  password: {user: me, password: a, hunter2, hunter2}\n",
		"defaults:\n  password: {user: me, password: {hunter2: a}}\n",
		"defaults:\n  pasword: hunter2\n",
		"defaults:\n  api-proxy: hunter2\n",
		"defaults:\n  api-proxy: me:hunter2@proxy.example\n",
		"defaults:\n  api-proxy: ftp://me:hunter2@proxy.example\n",
		"defaults:\n  api-proxy: http://me:hunter2/x@proxy.example\n",
		"defaults:\n  api-proxy: http://me:hunter2#x@proxy.example\n",
		"defaults:\n  api-proxy: http://me:hunter2%zz@proxy.example\n",
		"defaults:\n  api-proxy: http://me:hunter2@proxy.example:port\n",
		"defaults:\n  api-proxy: http://me:hunter2@\n",
		"defaults:\n  api-proxy: \"http://me:hunter2@proxy.example\\n\"\n",
		"defaults:\n  api-proxy: http://me:hunter2%0A@proxy.example\n",
		"defaults:\n  api-proxy: http://me:hunter2@proxy.example/hunter2\n",
		"defaults:\n  api-proxy: http://me:hunter2@proxy.example:99999\n",
		"defaults:\n  api-proxy: {http://me:hunter2@proxy.example: a}\n",
		"defaults:\n  api-proxy: [http://me:hunter2@proxy.example]\n",
		"defaults:\n  api-proxy: socks5://me:" + strings.Repeat("hunter2", 50) + "@proxy.example\n",
		"defaults:\n  api-proxy: http://me:" + strings.Repeat("hunter2", 500) + "@proxy.example\n",
		"defaults:\n  api_proxi: http://me:hunter2@proxy.example\n",
		"defaults:\n  outside: http://me:hunter2@proxy.example\n",
		"defaults:\n  listen: http://me:hunter2@proxy.example\n",
		"defaults:\n  http://me:hunter2@proxy.example: none\n",
		"password: hunter2\n",
		"defaults:\n  password:hunter2: x\n",
		"defaults:\n  password:hunter2: x\n  password:hunter2: y\n",
		"defaults: {password: hunter2\n",
		"defaults:\n  password: 'hunter2\n",
		"defaults:\n  password: \"\\hunter2\"\n",
		"defaults:\n  password: !!hunter2 {hunter2}\n",
		"defaults:\n  password: %hunter2\n",
		"defaults:\n  password: @hunter2\n",
		"defaults:\n  password: {user: me, password: hunter2: x}\n",
		"defaults:\n  password: {user: me, password: " + strings.Repeat("hunter2", 100) + "}\n",
	} {
		if err := problemOf(text); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v", err)
		}
	}
}

// problemOf returns what is wrong in a text, whether it leaves the rest in force or not.
func problemOf(text string) error {
	c, err := Parse([]byte(text), "f")
	if err == nil && len(c.flaws) > 0 {
		err = c.flaws
	}
	return err
}

func TestAMiddleClickDoesNothingUnlessTheFileSaysMore(t *testing.T) {
	for text, want := range map[string]MiddleClick{"": "", "middle-click: nothing": MiddleClickNothing, "middle-click: copy-url": MiddleClickCopyURL} {
		if got := config(t, text).MiddleClick; got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestEmptyFilesAreAsGoodAsNone(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "defaults:\n", "defaults:\n  listen:\ncontexts:\n  a:\n", "{}"} {
		c := config(t, text)
		if got, want := c.context("a", contextState{}), (Config{}).context("a", contextState{}); !sameContext(got, want) {
			t.Errorf("%q makes %+v", text, got)
		}
	}
}

func TestLaterAndNearerBlocksWin(t *testing.T) {
	c := config(t, `
defaults: {namespace: base, outside: refuse, auto-off: 1h, cross-site: refuse}
contexts:
  eu-1: {namespace: exact}
  eu-*: {namespace: glob, outside: direct}
  "*-1": {namespace: later, listen: 127.0.0.2}
  us-2: {cross-site: allow}
  "?u-*": {addresses: [10.1.2.3, 10.9.0.0/16]}
`)
	got := c.context("eu-1", contextState{})
	want := Context{
		Name: "eu-1", Namespace: "exact", Outside: Direct, NamesOutside: RefuseNames, CrossSite: RefuseCrossSite, AutoOff: time.Hour,
		Endpoints: []Endpoint{{Address: netip.MustParseAddrPort("127.0.0.2:0")}},
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.1.2.3/32"), netip.MustParsePrefix("10.9.0.0/16")}, Limits: defaultLimits,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := c.context("us-2", contextState{}); got.Namespace != "base" || got.CrossSite != AllowCrossSite {
		t.Errorf("us-2 is %+v", got)
	}
}

func TestPatternsMarkProduction(t *testing.T) {
	c := config(t, "production-names: ['live*', '!*-test']\ncontexts: {shop: {production: true}}\n")
	for name, want := range map[string]bool{"live-1": true, "live-test": false, "prod": false, "shop": true} {
		if got := c.context(name, contextState{}).Production; got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if config(t, "production-names: []\n").production("prod") {
		t.Error("an empty list still marks prod")
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"", "", true}, {"*", "", true}, {"*", "a/b:c", true}, {"a*c", "abbc", true}, {"a*c", "abbcd", false}, {"a?c", "aéc", true},
		{"a?c", "ac", false}, {"*a*a*", "xaxa", true}, {"*ab", "aab", true}, {"[a]", "a", false}, {"**", "x", true},
	} {
		if got := match(c.pattern, c.name); got != c.want {
			t.Errorf("match(%q, %q) = %t", c.pattern, c.name, got)
		}
	}
}
