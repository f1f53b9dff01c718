package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRoutesMatchTheirTargets(t *testing.T) {
	for _, row := range []struct {
		to, host string
		port     uint16
		want     bool
	}{
		{"*.rds.amazonaws.com", "db.x.rds.amazonaws.com", 5432, true},
		{"*.rds.amazonaws.com", "DB.RDS.Amazonaws.Com.", 1, true},
		{"*.RDS.amazonaws.com", "db.rds.amazonaws.com", 1, true},
		{"*.rds.amazonaws.com", "rds.amazonaws.com", 1, false},
		{"*.rds.amazonaws.com", "rds.amazonaws.com.evil.example", 1, false},
		{"db-?.corp.example", "db-1.corp.example", 1, true},
		{"db-?.corp.example", "db-12.corp.example", 1, false},
		{"db.corp.example:5432", "db.corp.example", 5432, true},
		{"db.corp.example:5432", "db.corp.example", 5433, false},
		{"10.20.0.0/16", "10.20.3.4", 80, true},
		{"10.20.0.0/16", "10.21.3.4", 80, false},
		{"10.20.0.0/16", "10.20.3.4.example", 80, false},
		{"10.20.0.1/16", "10.20.3.4", 80, true},
		{"10.20.0.1", "10.20.0.1", 80, true},
		{"10.20.0.1:80", "10.20.0.1", 81, false},
		{"::ffff:10.20.0.0/112", "10.20.0.9", 81, true},
		{"fd00::/8", "fd12::1", 81, true},
		{"[fd12::1]:81", "fd12::1", 81, true},
		{"[fd12::1]:81", "fd12::1", 82, false},
		{"fd12::1", "fd12::1", 82, true},
		{"*", "10.20.0.1", 82, true},
		{"*", "anything.example", 82, true},
		{"*:25", "anything.example", 25, true},
		{"*:25", "anything.example", 26, false},
		{"*.example", "10.20.0.1", 82, false},
		{"0.0.0.0/0", "10.20.0.1", 82, true},
	} {
		c := config(t, fmt.Sprintf("contexts: {a: {routes: [{to: [%q], via: refuse}]}}", row.to)).context("a", contextState{})
		if len(c.Routes) != 1 || c.Routes[0].Problem != "" {
			t.Errorf("%s: %+v", row.to, c.Routes)
			continue
		}
		if got := c.Routes[0].Matches(row.host, row.port); got != row.want {
			t.Errorf("%s matches %s:%d: %t", row.to, row.host, row.port, got)
		}
	}
}

// A fault in an upstream or a route makes that one refuse, with its line, and leaves the rest in force.
func TestAFaultOfARouteIsNamedWithItsLineAndLeavesTheRest(t *testing.T) {
	const rest = "contexts: {other: {port: 1091, namespace: shop}}\n"
	for _, row := range []struct{ name, text, want string }{
		{"url missing", "upstreams:\n  x: {in: cluster}\n", "f:3: upstream x has no url"},
		{"nothing", "upstreams:\n  x:\n", "f:3: upstream x has no url"},
		{"no route", "defaults:\n  routes:\n  -\n", "f:4: a route says what it is for and how that is reached"},
		{"kind", "upstreams:\n  x: {url: \"ftp://me:hunter2@p\"}\n", "f:3: the url of an upstream begins with http://, https://, socks5:// or socks5h://"},
		{"no host", "upstreams:\n  x: {url: \"http://:80\"}\n", "f:3: the url of the upstream names no host"},
		{"port", "upstreams:\n  x:\n    url: http://me:hunter2@p:99999\n", "f:4: the url of the upstream has a port that is not from 1 to 65535"},
		{"key alone", "upstreams:\n  x: {url: \"https://p\", key: k}\n", "f:3: upstream x needs both cert and key, or neither"},
		{"unknown key", "upstreams:\n  x:\n    url: http://p\n    cret: a\n", "f:5: unknown key \"cret\" in upstream x: did you mean cert?"},
		{"in", "upstreams:\n  x: {url: \"http://p\", in: pod}\n", "f:3: \"pod\" is none of cluster"},
		{"in and via", "upstreams:\n  y: {url: \"http://p\"}\n  x: {url: \"http://p\", in: cluster, via: y}\n", "f:4: upstream x is either in the cluster or behind another upstream"},
		{"name of a route", "upstreams:\n  direct: {url: \"http://p\"}\n", "f:3: no upstream can be named direct"},
		{"name", "upstreams:\n  \"a b\": {url: \"http://p\"}\n", "f:3: \"a b\" cannot be the name of an upstream"},
		{"unknown via", "upstreams:\n  corp: {url: \"http://p\"}\n  x: {url: \"http://p\", via: crop}\n", "f:4: there is no upstream \"crop\": did you mean corp?"},
		{"circle", "upstreams:\n  x: {url: \"http://p\", via: y}\n  y:\n    url: http://p\n    via: x\n", "f:3: upstream x leads into itself: x → y → x\nf:6: upstream y leads into itself: y → x → y"},
		{"itself", "upstreams:\n  x: {url: \"http://p\", via: x}\n", "f:3: upstream x leads into itself: x → x"},
		{"own port", "upstreams:\n  x: {url: \"socks5://localhost:1091\"}\n", "f:3: upstream x is the port of context other: connections would lead back here"},
		{"unknown outside", "defaults: {outside: drect}\n", "f:2: there is no upstream \"drect\": did you mean direct?"},
		{"unknown route", "defaults:\n  routes:\n  - to: [a.example]\n    via: egres\nupstreams: {egress: {url: \"http://p\"}}\n", "f:5: there is no upstream \"egres\": did you mean egress?"},
		{"no via", "defaults:\n  routes:\n  - to: [a.example]\n", "f:4: a route says what it is for and how that is reached"},
		{"no to", "defaults:\n  routes:\n  - via: direct\n", "f:4: a route says what it is for and how that is reached"},
		{"URL", "defaults: {routes: [{to: [\"https://a.example/\"], via: direct}]}\n", "f:2: \"https://a.example/\" is no name, address or range of addresses"},
		{"loopback", "defaults: {routes: [{to: [127.0.0.0/8], via: direct}]}\n", "f:2: \"127.0.0.0/8\" is never reached by any route"},
		{"link-local", "defaults: {routes: [{to: [\"169.254.169.254:80\"], via: direct}]}\n", "f:2: \"169.254.169.254:80\" is never reached by any route"},
		{"localhost", "defaults: {routes: [{to: [x.localhost], via: direct}]}\n", "f:2: \"x.localhost\" is never reached by any route"},
		{"no address", "defaults: {routes: [{to: [10.20.300.1], via: direct}]}\n", "f:2: \"10.20.300.1\" is no address"},
		{"no port", "defaults: {routes: [{to: [\"a.example:0\"], via: direct}]}\n", "f:2: \"a.example:0\" has a port that is not from 1 to 65535"},
		{"name that cannot be", "defaults: {routes: [{to: [\"a..example\"], via: direct}]}\n", "f:2: \"a..example\" is no name of a host"},
		{"Service", "defaults: {routes: [{to: [web.shop.svc], via: direct}]}\n", "f:2: \"web.shop.svc\" is a name of the cluster, which comes before the routes"},
		{"short name", "defaults: {routes: [{to: [web], via: direct}]}\n", "f:2: \"web\" is a name without a dot"},
	} {
		t.Run(row.name, func(t *testing.T) {
			text := rest + row.text
			c, err := Parse([]byte(text), "f")
			if err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(c.flaws.Error(), "hunter2", "SECRET")
			if !strings.HasPrefix(got, row.want) || len(c.flaws) == 0 {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
			if other := c.context("other", contextState{}); other.Port() != 1091 || other.Namespace != "shop" {
				t.Errorf("the rest is %+v", other)
			}
			for name := range c.upstreams {
				if _, problem := c.context("a", contextState{}).Chain(name); problem == "" && strings.Contains(row.want, "upstream "+name+" ") {
					t.Errorf("upstream %s may be used", name)
				}
			}
			for _, r := range c.context("a", contextState{}).Routes {
				if r.Problem == "" && row.name != "unknown route" || !r.Matches("any.example", 1) && r.Problem != "" {
					t.Errorf("%+v does not refuse everything", r)
				}
			}
		})
	}
}

// An upstream may be the port that a context has by the state, and not by the file.
func TestAnUpstreamAtAPortOfTheStateIsNamed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	store, damage, err := Open(filepath.Join(dir, "state"))
	if err != nil || damage != nil {
		t.Fatal(err, damage)
	}
	s := Load(store, file)
	c, err := s.Prepare("demo")
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("upstreams:\n  x: {url: \"http://127.0.0.1:%d\"}\n", c.Port())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Reload()
	if err := s.Problem(); err == nil || !strings.HasPrefix(err.Error(), file+":2: upstream x is a port of Fairlead's own") {
		t.Errorf("got %v", err)
	}
	if _, problem := s.Effective("demo").Chain("x"); problem == "" {
		t.Error("it may be used")
	}
}

func TestUpstreamsAreInTheFingerprintAndTheirPasswordsNowhereElse(t *testing.T) {
	one := config(t, "upstreams: {x: {url: \"http://me:hunter2@p\"}}").context("a", contextState{})
	other := config(t, "upstreams: {x: {url: \"http://me:hunter3@p\"}}").context("a", contextState{})
	if one.Fingerprint() == other.Fingerprint() {
		t.Error("another password is no change")
	}
	for _, text := range []string{fmt.Sprint(one), fmt.Sprintf("%+v", one), fmt.Sprintf("%v", one.Upstreams), one.Upstreams["x"].String()} {
		if strings.Contains(text, "hunter") {
			t.Errorf("printed: %s", text)
		}
	}
	if !config(t, "upstreams: {x: {url: \"http://me:hunter2@p\"}}").hasPassword() {
		t.Error("the file is not one with a password")
	}
}

// What was chosen in the menu holds until its upstream is gone.
func TestTheRouteOfHostsOutsideCanBeAnUpstream(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	store, damage, err := Open(filepath.Join(dir, "state"))
	if err != nil || damage != nil {
		t.Fatal(err, damage)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("upstreams: {egress: {url: \"http://p\", in: cluster}}\n")
	s := Load(store, file)
	if err := s.SetOutside("demo", "egres"); err == nil {
		t.Error("an upstream that is not there was taken")
	}
	if err := s.SetOutside("demo", "egress"); err != nil {
		t.Fatal(err)
	}
	if got := s.Effective("demo").Outside; got != "egress" {
		t.Errorf("outside is %s", got)
	}
	write("upstreams: {}\n")
	s.Reload()
	if got := s.Effective("demo").Outside; got != Direct {
		t.Errorf("without the upstream, outside is %s", got)
	}
}
