package settings

import (
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// home is the state directory and the config.yaml of one test.
type home struct {
	t         *testing.T
	dir, file string
}

func newHome(t *testing.T, text string) *home {
	h := &home{t: t, dir: filepath.Join(t.TempDir(), "state"), file: filepath.Join(t.TempDir(), "config.yaml")}
	h.write(text)
	return h
}

func (h *home) write(text string) {
	h.t.Helper()
	if err := os.WriteFile(h.file, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// load loads the settings as the program does at its start.
func (h *home) load() *Settings {
	h.t.Helper()
	store, damage, err := Open(h.dir)
	if damage != nil || err != nil {
		h.t.Fatal(damage, err)
	}
	return Load(store, h.file)
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestOfFileAndMenuTheLaterWins(t *testing.T) {
	h := newHome(t, "contexts: {a: {namespace: one, production: true}}\n")
	s := h.load()
	must(t, s.SetNamespace("a", "two"), s.SetOutside("a", Refuse), s.SetProduction("a", false), s.SetNotifies(NotifyDials, false))
	check := func(s *Settings, namespace string, outside Outside, production, dials bool) {
		t.Helper()
		c := s.Effective("a")
		if c.Namespace != namespace || c.Outside != outside || c.Production != production || s.Notifies(NotifyDials) != dials {
			t.Errorf("namespace %q, outside %s, production %t, dials %t; want %q, %s, %t, %t",
				c.Namespace, c.Outside, c.Production, s.Notifies(NotifyDials), namespace, outside, production, dials)
		}
	}
	check(s, "two", Refuse, false, false)
	check(h.load(), "two", Refuse, false, false)

	// A change of another setting in the file leaves the choices; a change of the setting itself ends its choice only.
	h.write("contexts: {a: {namespace: three, production: true}}\nnotifications: {logins: false}\n")
	if !s.Reload() {
		t.Error("the change was not seen")
	}
	check(s, "three", Refuse, false, false)

	// Choosing what the file says is not a choice.
	must(t, s.SetNamespace("a", "four"), s.SetNamespace("a", "three"), s.SetOutside("a", Direct), s.SetProduction("a", true), s.SetNotifies(NotifyDials, true))
	check(s, "three", Direct, true, true)
	text, err := os.ReadFile(filepath.Join(h.dir, fileName))
	if err != nil || strings.Contains(string(text), "over") {
		t.Errorf("a choice remains: %v\n%s", err, text)
	}

	// The empty value is a choice, too.
	must(t, s.SetNamespace("a", ""))
	check(h.load(), "", Direct, true, true)
}

func TestBrokenFileLeavesInForceWhatItSaidBefore(t *testing.T) {
	h := newHome(t, "defaults: {outside: refuse}\n")
	s := h.load()
	h.write("defaults: {outside: refuse, prot: 1}\n")
	if !s.Reload() || s.Problem() == nil || s.Effective("a").Outside != Refuse {
		t.Errorf("problem %v, outside %s", s.Problem(), s.Effective("a").Outside)
	}
	if s.Reload() {
		t.Error("nothing has changed, and Reload says so")
	}
	// The same holds after a restart of the program.
	if s := h.load(); s.Problem() == nil || s.Effective("a").Outside != Refuse {
		t.Errorf("problem %v, outside %s", s.Problem(), s.Effective("a").Outside)
	}
	h.write("defaults: {outside: direct}\n")
	if !s.Reload() || s.Problem() != nil || s.Effective("a").Outside != Direct {
		t.Errorf("problem %v, outside %s", s.Problem(), s.Effective("a").Outside)
	}
	must(t, os.Remove(h.file))
	if !s.Reload() || s.Problem() != nil {
		t.Errorf("problem %v", s.Problem())
	}
	if s.Reload() {
		t.Error("the file is still missing, and Reload sees a change")
	}
}

func TestFileThatCannotBeReadIsAProblem(t *testing.T) {
	h := newHome(t, "")
	must(t, os.Remove(h.file), os.Mkdir(h.file, 0o700))
	s := h.load()
	if s.Problem() == nil || s.Reload() {
		t.Errorf("problem %v", s.Problem())
	}
}

func TestNoProxyStartsWithoutAPasswordThatCannotBeRead(t *testing.T) {
	const wanted, broken = "defaults:\n  password: {user: me, password: s3cret}\n", "nonsense: x\n"
	for _, row := range []struct {
		name         string
		before, text string // the file as it was, if it was, and as it is; empty: a folder, which cannot be read
		starts       bool
	}{
		{"never read", "", "", false},
		{"broken", "", wanted + broken, false},
		{"broken and long", "", wanted + broken + strings.Repeat("#", maxConfig), false},
		{"broken since it asks for one", "browser: x\n", wanted + broken, false},
		{"broken, and asks for none", "", broken + "#password: true\ndefaults: {host-network: true}\n", true},
		{"broken, and says that none is wanted", "", "defaults:\n  password: false\n" + broken, true},
		{"asked for none when it could be read", "browser: x\n", "", true},
		{"asked for the same when it was right", wanted, wanted + broken, true},
		{"another context's, when it was right", "contexts:\n  b:\n    password: true\n", "contexts:\n  b:\n    password: true\n" + broken, true},
	} {
		for _, again := range []bool{false, true} { // read again by the same program, or by the next one
			h := newHome(t, row.before)
			var s *Settings
			if row.before != "" {
				s = h.load()
			}
			must(t, os.Remove(h.file))
			if row.text == "" {
				must(t, os.Mkdir(h.file, 0o700))
			} else {
				h.write(row.text)
			}
			if s == nil || again {
				s = h.load()
			}
			s.Reload()
			s.Reload()
			c := s.Effective("a")
			if s.Problem() == nil || (c.Problem == "") != row.starts {
				t.Errorf("%s, again %t: problem %v, starts %t: %s", row.name, again, s.Problem(), c.Problem == "", c.Problem)
			}
			must(t, os.RemoveAll(h.file))
			h.write("")
			if s.Reload(); s.Problem() != nil || s.Effective("a").Problem != "" {
				t.Errorf("%s, fixed: %v, %s", row.name, s.Problem(), s.Effective("a").Problem)
			}
		}
	}
}

func TestPortsOfTheFileAreTheirs(t *testing.T) {
	h := newHome(t, "")
	s := h.load()
	port := func(name string) int {
		t.Helper()
		c, err := s.Prepare(name)
		must(t, err)
		return c.Port()
	}
	if a, b := port("a"), port("b"); a != FirstPort || b != FirstPort+1 {
		t.Fatalf("ports %d, %d", a, b)
	}
	h.write("contexts: {c: {port: 1080}, d: {port: 1082}}\n")
	s.Reload()
	if p := s.Effective("a").Port(); p != FirstPort {
		t.Errorf("a has port %d, though there is no c", p)
	}
	s.SetContexts(slices.Values([]string{"a", "b", "c", "d"}))
	if p := s.Effective("a").Port(); p != 0 {
		t.Errorf("a still has port %d, which the file gives to c", p)
	}
	for name, want := range map[string]int{"c": 1080, "d": 1082, "a": 1083, "b": 1081} {
		if got := port(name); got != want {
			t.Errorf("%s has port %d, want %d", name, got, want)
		}
	}
	if got := s.Effective("c").Proxy().Address.String(); got != "127.0.0.1:1080" {
		t.Errorf("address %s", got)
	}
}

// A port stays with the context that had it first, whatever the settings say meanwhile.
func TestAContextKeepsThePortThatTheFileGivesAway(t *testing.T) {
	h := newHome(t, "")
	s := h.load()
	s.SetContexts(slices.Values([]string{"a", "b", "other"}))
	for _, step := range []struct {
		text  string
		ports map[string]int
	}{
		{"", map[string]int{"a": 1080, "b": 1081}},
		{"contexts: {nosuch: {port: 1080}}\n", map[string]int{"a": 1080, "b": 1081}},
		{"contexts: {nosuch: {port: 1082}}\n", map[string]int{"other": 1083, "a": 1080}}, // a reserved port is not assigned
		{"contexts: {other: {port: 1080}}\n", map[string]int{"other": 1080, "a": 1082, "b": 1081}},
		{"contexts: {other: {port: 1081}}\n", map[string]int{"b": 1084, "a": 1080, "other": 1081}}, // not 1080, 1082 or 1083
		{"contexts: {other: {port: 1084}, b: {port: 1081}}\n", map[string]int{"b": 1081, "a": 1080}},
		{"contexts: {}\n", map[string]int{"b": 1081, "a": 1080, "other": 1083}},
	} {
		h.write(step.text)
		for _, s := range []*Settings{s, h.load()} { // in this run of the program and in the next
			s.SetContexts(slices.Values([]string{"a", "b", "other"}))
			s.Reload()
			must(t, s.Problem())
			for _, name := range slices.Sorted(maps.Keys(step.ports)) {
				want := step.ports[name]
				c, err := s.Prepare(name)
				if must(t, err); c.Port() != want {
					t.Errorf("%q: %s has port %d, want %d", step.text, name, c.Port(), want)
				}
				if again := s.Effective(name); again.Port() != want {
					t.Errorf("%q: %s has port %d after it was prepared, want %d", step.text, name, again.Port(), want)
				}
			}
		}
	}
	h.write("contexts: {other: {port: 1080}}\n")
	s.Reload()
	if c := s.Effective("a"); c.Displaced != 1080 || c.Claimant != "other" {
		t.Errorf("a is displaced from %d by %q", c.Displaced, c.Claimant)
	}
	// An entry that is away for a moment loses nothing.
	s.SetContexts(slices.Values([]string{"a", "b"}))
	if c := s.Effective("a"); c.Port() != 1082 {
		t.Errorf("with the other gone a has port %d", c.Port())
	}
}

func TestTheCheckSaysWhatMoves(t *testing.T) {
	h := newHome(t, "")
	s := h.load()
	s.SetContexts(slices.Values([]string{"a", "b"}))
	_, err := s.Prepare("a")
	must(t, err)
	for text, want := range map[string]string{
		"contexts:\n  b: {port: 1080}\n":      "config.yaml:2: port 1080 is the one of context a, which moves to another while this line stands",
		"contexts:\n  nosuch: {port: 1080}\n": "config.yaml:2: port 1080 stays with context a, which has it, until there is a context nosuch",
		"contexts:\n  a: {port: 1080}\n":      "",
		"contexts:\n  b: {port: 1090}\n":      "",
	} {
		h.write(text)
		s.Reload()
		got := ""
		for _, p := range s.Moves() {
			got += p.Error()
		}
		if !strings.HasSuffix(got, want) || (got == "") != (want == "") {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestPasswordIsGeneratedOnceAndStaysPrivate(t *testing.T) {
	h := newHome(t, "contexts: {a: {password: true}, b: {password: {user: me, password: mine}}}\n")
	s := h.load()
	if c := s.Effective("a"); !c.Password || c.Credentials != (Credentials{}) {
		t.Errorf("before it is prepared: %+v", c)
	}
	a, err := s.Prepare("a")
	must(t, err)
	again, err := h.load().Prepare("a")
	must(t, err)
	if a.Credentials.User != "fairlead" || len(a.Credentials.Password) < 20 || again.Credentials != a.Credentials {
		t.Errorf("%+v, then %+v", a.Credentials, again.Credentials)
	}
	must(t, s.NewPassword("a"))
	if s.Effective("a").Credentials == a.Credentials {
		t.Error("a new password is the old one")
	}
	if got := s.Effective("b").Credentials; got != (Credentials{"me", "mine"}) {
		t.Errorf("got %+v", got)
	}
	for _, name := range []string{fileName, goodName} {
		if info, err := os.Stat(filepath.Join(h.dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	c, err := s.Prepare("c")
	if must(t, err); c.Password {
		t.Error("c wants a password")
	}
	must(t, s.SetPassword("c", true))
	if c, err = s.Prepare("c"); err != nil || c.Credentials.Password == "" || c.Credentials.Password == again.Credentials.Password {
		t.Errorf("%+v, %v", c.Credentials, err)
	}
}

func TestNoClickOpensAProxyToTheNetwork(t *testing.T) {
	h := newHome(t, `
contexts:
  a: {listen: 0.0.0.0, password: true}
  b: {listen: 0.0.0.0, tls: {cert: c, key: k, client-ca: a}}
  "c*": {listen: 0.0.0.0, password: true}
  c: {password: false}
`)
	s := h.load()
	must(t, s.Problem(), s.SetPassword("a", false))
	if a := s.Effective("a"); !a.Password || !a.Exposed() || a.Problem != "" {
		t.Errorf("a: %+v", a)
	}
	if b := s.Effective("b"); !b.RequireTLS || b.Password || b.Problem != "" {
		t.Errorf("b: %+v", b)
	}
	if c := s.Effective("c"); c.Problem == "" {
		t.Errorf("two blocks together open c: %+v", c)
	}
}

func TestSettingsApplyToAContextWithAnotherAddress(t *testing.T) {
	h := newHome(t, `
contexts:
  a: {port: 2000, tls: {cert: c, key: k, client-ca: a}}
  b: {password: true}
`)
	s := h.load()
	everywhere := netip.MustParseAddrPort("0.0.0.0:1500")
	for _, name := range []string{"a", "b", "c"} {
		s.ListenAt(name, everywhere)
	}
	must(t, s.SetPassword("b", false))
	h.write(strings.ReplaceAll(string(s.text), "2000", "3000"))
	if !s.Reload() {
		t.Fatal("not read again")
	}
	if a, err := s.Prepare("a"); err != nil || a.Proxy().Address.String() != "0.0.0.0:1500" || !a.RequireTLS || a.Problem != "" {
		t.Errorf("a: %+v, %v", a, err)
	}
	if b := s.Effective("b"); !b.Password || b.Problem != "" {
		t.Errorf("b: %+v", b)
	}
	if c := s.Effective("c"); c.Problem == "" {
		t.Errorf("c is open to all: %+v", c)
	}
	s.ListenAt("e", netip.MustParseAddrPort("127.0.0.1:1501"), everywhere)
	if e := s.Effective("e"); len(e.Endpoints) != 2 || e.Port() != 1501 || !e.Exposed() || !strings.Contains(e.Problem, "0.0.0.0") {
		t.Errorf("e is open to all at its second address: %+v", e)
	}
	if d, err := s.Prepare("d"); err != nil || d.Exposed() || d.Port() == 1500 {
		t.Errorf("d: %+v, %v", d, err)
	}
}

func TestTheFingerprintCoversWhatAProxyMustApply(t *testing.T) {
	h := newHome(t, "")
	s := h.load()
	before := s.Effective("a").Fingerprint()
	must(t, s.SetProduction("a", true), s.store.SetOn("a", true))
	if _, err := s.Prepare("a"); err != nil || s.Effective("a").Fingerprint() != before {
		t.Errorf("it depends on what does not concern the proxy (%v)", err)
	}
	s.SetContexts(slices.Values([]string{"a", "b"}))
	h.write("contexts: {b: {port: 1080}}")
	if s.Reload(); s.Effective("a").Fingerprint() == before {
		t.Error("its port is another's, and it does not differ")
	}
	seen := map[string]string{before: "nothing"}
	for _, text := range []string{
		"namespace: x", "outside: refuse", "forward-unresolved: true", "host-network: true", "addresses: [10.0.0.0/8]", "password: {user: a, password: b}",
		"password: {user: a, password: c}", "tls: {cert: /a, key: /b, client-ca: /c}", "tls: {cert: /a, key: /b, client-ca: /d}",
		"limits: {idle: 1s}", "carrier: spdy", "api-proxy: none", "api-proxy: http://a", "api-proxy: http://a:b@a", "api-proxy: http://a:c@a", "other-users: true", "listen: 127.0.0.2",
	} {
		h.write("defaults: {" + text + "}\n")
		s.Reload()
		must(t, s.Problem())
		print := s.Effective("a").Fingerprint()
		if other, same := seen[print]; same {
			t.Errorf("%s is the same as %s", text, other)
		}
		seen[print] = text
	}
}

func TestUsedIsRemembered(t *testing.T) {
	h := newHome(t, "")
	s := h.load()
	if !s.Effective("a").Used.IsZero() {
		t.Error("a was used")
	}
	before := time.Now().Truncate(time.Second)
	must(t, s.store.SetOn("a", true))
	if used := h.load().Effective("a").Used; used.Before(before) || used.After(time.Now()) {
		t.Errorf("used %v", used)
	}
}

func TestNamesInNoKubeconfigAreAdvice(t *testing.T) {
	h := newHome(t, "contexts:\n  stagin: {}\n  'prod*': {}\n  dev: {}\n")
	s := h.load()
	got := s.Unknown(func(name string) bool { return name == "dev" }, func(string) []string { return []string{"staging"} })
	if len(got) != 1 || got[0].Line != 2 || !strings.HasSuffix(got[0].Error(), `config.yaml:2: no context "stagin" in the kubeconfig; close to it: staging`) {
		t.Errorf("got %v", got)
	}
}

func TestExampleIsWrittenOverNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fairlead", "config.yaml")
	for _, want := range []bool{true, false} {
		if written, err := WriteExample(file); err != nil || written != want {
			t.Errorf("WriteExample() = %t, %v", written, err)
		}
	}
	text, err := os.ReadFile(file)
	if must(t, err); string(text) != string(Example()) {
		t.Error("it is not the example")
	}
}
