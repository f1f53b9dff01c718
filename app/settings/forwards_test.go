package settings

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func TestForwardsAreEndpointsOfTheirContext(t *testing.T) {
	c := config(t, `
defaults: {listen: 127.0.0.9}
contexts:
  "st*": {namespace: shop}
  staging:
    forwards:
      - {listen: 5432, to: "db.billing:5432"}
      - {listen: 127.0.0.1:8443, to: "web.shop:https", protocol: http}
      - {listen: "[::1]:6379", to: "[fd00::1]:redis"}
      - {listen: localhost:9000, to: db-0.db.billing.svc.cluster.local:9000}
    proxies: [{listen: 4140, protocol: http}, {listen: 127.0.0.1:4141, protocol: socks}, {listen: 4142}]
`)
	var got []string
	for _, e := range c.context("staging", contextState{}).Endpoints {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Address, e.Protocol, e.To)))
	}
	want := "127.0.0.9:0; 127.0.0.9:4140 http; 127.0.0.1:4141 socks; 127.0.0.9:4142; 127.0.0.1:5432 tcp db.billing:5432; " +
		"127.0.0.1:8443 http web.shop:https; [::1]:6379 tcp [fd00::1]:redis; 127.0.0.1:9000 tcp db-0.db.billing.svc.cluster.local:9000"
	if text := strings.Join(got, "; "); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	if other := c.context("stage", contextState{}); len(other.Endpoints) != 1 {
		t.Errorf("another context has %+v", other.Endpoints)
	}
}

// A change of a forward is one that a running context must apply, whether its proxy's port is the file's or not.
func TestAForwardIsPartOfTheFingerprint(t *testing.T) {
	prints := map[string]string{}
	for _, to := range []string{"db:5432", "db:5433", "web:80, protocol: http", "web:80"} {
		c := config(t, "contexts: {a: {forwards: [{listen: 5432, to: "+to+"}]}}\n")
		print := c.context("a", contextState{}).Fingerprint()
		if other, twice := prints[print]; twice {
			t.Errorf("%s and %s have one fingerprint", to, other)
		}
		prints[print] = to
	}
}

func TestWrongForwardsAreProblemsOfTheirLine(t *testing.T) {
	for text, want := range map[string]string{
		`{listen: 5432}`:                                        "a forward takes an address or a port of this machine and a target",
		`{to: "db:5432"}`:                                       "a forward takes an address or a port of this machine and a target",
		`5432`:                                                  "this must be keys with values",
		`{listen: 5432, to: "svc/db:5432"}`:                     `"svc/db:5432" is spelled as for kubectl: write a Service as db.billing:5432`,
		`{listen: 5432, to: db}`:                                `"db" is no target: write a host and a port`,
		`{listen: 5432, to: "db:0"}`:                            `"0" is no port`,
		`{listen: 5432, to: "db:65536"}`:                        `"65536" is no port`,
		`{listen: 5432, to: "db:post_gres"}`:                    `"post_gres" is no port`,
		`{listen: 5432, to: "d b:80"}`:                          "cannot be the name of a host",
		`{listen: 5432, to: "db..x:80"}`:                        "cannot be the name of a host",
		`{listen: 5432, to: "[db]:80"}`:                         "cannot be the name of a host", // the proxy refuses it, too
		`{listen: 5432, to: "[10.0.0.1]:80"}`:                   "cannot be the name of a host",
		`{listen: 5432, to: "[fe80::1%eth0]:80"}`:               "cannot be the name of a host",
		`{listen: 5432, to: "localhost:80"}`:                    "is this machine itself",
		`{listen: 5432, to: "127.0.0.1:80"}`:                    "is no address of a cluster",
		`{listen: 5432, to: "169.254.169.254:80"}`:              "is no address of a cluster",
		`{listen: 5432, to: "[::ffff:127.0.0.1]:80"}`:           "is no address of a cluster",
		`{listen: 5432, to: "web.svc.cluster.local:80"}`:        "is no name of a Service or a Pod",
		`{listen: 0, to: "db:80"}`:                              `"0" is neither a port`,
		`{listen: 70000, to: "db:80"}`:                          `"70000" is neither a port`,
		`{listen: db.example:80, to: "db:80"}`:                  `"db.example:80" is neither a port`,
		`{listen: 0.0.0.0:5432, to: "db:80"}`:                   "cannot ask for a password, so it listens on this machine only: write 127.0.0.1:5432",
		`{listen: 192.0.2.1:5432, to: "db:80"}`:                 "cannot ask for a password",
		`{listen: 5432, to: "db:80", protocol: socks}`:          `"socks" is none of tcp, http`,
		`{listen: 5432, too: "db:80"}`:                          "did you mean to?",
		`{listen: 1080, to: "db:80"}`:                           "127.0.0.1:1080 is an address of a already (line 3)",
		`{listen: 1090, to: "db:80"}`:                           "127.0.0.1:1090 of a is an address of b already (line 6)",
		"{listen: 5432, to: db:80}, {listen: 5432, to: web:80}": "127.0.0.1:5432 is an address of a already (line 4)",
	} {
		if strings.Contains(want, "of b already") { // b comes later in the file, so the problem is b's
			want = "127.0.0.1:1090 of b is an address of a already"
		}
		c, err := Parse([]byte("contexts:\n  a:\n    port: 1080\n    forwards: ["+text+"]\n  b:\n    forwards: [{listen: 1090, to: x:1}]\n"), "f")
		if err == nil && len(c.flaws) > 0 {
			err = c.flaws
		}
		if a := c.context("a", contextState{}); a.Port() != 1080 {
			t.Errorf("%s: the rest of the settings is not in force: %+v", text, a)
		}
		line := "f:4: "
		if strings.Contains(want, " of b is ") {
			line = "f:6: "
		}
		if err == nil || !strings.HasPrefix(err.Error(), line) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s%s", text, err, line, want)
		}
	}
}

// What is wrong with further ports of a proxy, or with a whole list, leaves the rest of the settings in force, too.
func TestWrongPortsLeaveTheRestInForce(t *testing.T) {
	for text, want := range map[string]string{
		"proxies: [{listen: 1080}]":                                      "127.0.0.1:1080 is an address of a already (line 3)",
		"proxies: [{listen: 1092}]":                                      "127.0.0.1:1092 of b is an address of a already (line 4)",
		"proxies: [{listen: 4140}], forwards: [{listen: 4140, to: x:1}]": "127.0.0.1:4140 is an address of a already (line 4)",
		"proxies: [{listen: 4140, protocol: tcp}]":                       `"tcp" is none of http, socks`,
		"proxies: [{listen: x}]":                                         `"x" is neither a port`,
		"proxies: [{listen: 0}]":                                         `"0" is neither a port`,
		"proxies: [{protocol: http}]":                                    "a further port of the proxy takes an address or a port",
		"proxies: [{listen: 4140, to: x:1}]":                             `unknown key "to"`,
		"proxies: [4140]":                                                "this must be keys with values, and is a single value",
		"proxies: {listen: 4140}":                                        "this must be a list, each item of which begins with a hyphen, and is keys with values",
		"proxies: 4140":                                                  "this must be a list, each item of which begins with a hyphen, and is a single value",
		"forwards: {listen: 5432, to: x:1}":                              "this must be a list, each item of which begins with a hyphen, and is keys with values",
		"forwards: {5432: x:1}":                                          "this must be a list, each item of which begins with a hyphen, and is keys with values",
		"forwards: db:5432":                                              "this must be a list, each item of which begins with a hyphen, and is a single value",
	} {
		c, err := Parse([]byte("contexts:\n  a:\n    port: 1080\n    "+strings.ReplaceAll(text, "], ", "]\n    ")+"\n  b:\n    production: false\n    forwards: [{listen: 1092, to: x:1}, {listen: 1091, to: x:1}]\n"), "f")
		if err != nil {
			t.Errorf("%s: nothing of the file is in force: %v", text, err)
			continue
		}
		if said := fmt.Sprint(c.flaws); len(c.flaws) != 1 || !strings.Contains(said, want) || c.flaws[0].Line < 4 {
			t.Errorf("%s: %v, want %s", text, c.flaws, want)
		}
		a, b := c.context("a", contextState{}), c.context("b", contextState{}).Forwards()
		if a.Port() != 1080 || len(b) == 0 || b[len(b)-1].Address.Port() != 1091 {
			t.Errorf("%s: the rest is not in force: %+v, %+v", text, a.Endpoints, b)
		}
	}
}

func TestPortsOfAContextStandBelowItsName(t *testing.T) {
	for _, text := range []string{
		"defaults: {forwards: [{listen: 1, to: a:1}]}", `contexts: {"a*": {forwards: [{listen: 1, to: a:1}]}}`, "defaults: {proxies: [{listen: 1}]}",
	} {
		if c, err := Parse([]byte(text), "f"); err != nil || !strings.Contains(fmt.Sprint(c.flaws), "a port is one context's") || len(c.context("a", contextState{}).Endpoints) != 1 {
			t.Errorf("%s: %v, %v", text, err, c.flaws)
		}
	}
}

// A further port of the proxy can ask for a password, and beyond this machine must.
func TestAProxyBeyondLoopbackIsGuarded(t *testing.T) {
	const text = "contexts:\n  a:\n    proxies: [{listen: 0.0.0.0:4140, protocol: http}]\n"
	open, err := Parse([]byte(text), "f")
	if said := fmt.Sprint(open.flaws); err != nil || !strings.Contains(said, "f:3: ") || !strings.Contains(said, "anybody who can reach 0.0.0.0") || open.context("a", contextState{}).Exposed() {
		t.Errorf("without a password: %v, %v", err, open.flaws)
	}
	c := config(t, text+"    password: true\n").context("a", contextState{})
	if !c.Password || !c.Exposed() || c.Problem != "" {
		t.Errorf("with a password: %+v", c)
	}
}

// A port that the file gives to a forward is not chosen for a proxy.
func TestAForwardsPortIsNoProxys(t *testing.T) {
	h := newHome(t, "contexts: {a: {forwards: [{listen: 1080, to: db:5432}], proxies: [{listen: 1081}]}}")
	if c, err := h.load().Prepare("b"); err != nil || c.Port() != 1082 {
		t.Errorf("b is given %d, %v, want 1082", c.Port(), err)
	}
}

func TestChosenForwardsAreKept(t *testing.T) {
	h := newHome(t, "contexts: {a: {forwards: [{listen: 5432, to: db:5432}]}}")
	s := h.load()
	at := func(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }
	chosen := Endpoint{Address: at("127.0.0.1:6379"), To: "cache.shop:redis", Protocol: TCP, Chosen: true}
	must(t, s.AddForward("a", chosen))
	if got := h.load().Effective("a").Forwards(); len(got) != 2 || got[1] != chosen {
		t.Errorf("a has %+v, want %+v as well", got, chosen)
	}
	if h.load().Effective("a").Fingerprint() == h.load().Effective("b").Fingerprint() {
		t.Error("a forward makes no difference to the fingerprint")
	}
	for _, wrong := range []Endpoint{
		{Address: at("127.0.0.1:5432"), To: "db:5432", Protocol: TCP}, // the file's
		{Address: at("0.0.0.0:6380"), To: "db:5432", Protocol: TCP},
		{Address: at("127.0.0.1:0"), To: "db:5432", Protocol: TCP},
		{Address: at("127.0.0.1:6380"), To: "localhost:22", Protocol: TCP},
		{Address: at("127.0.0.1:6380"), To: "db:5432", Protocol: SOCKS},
	} {
		if err := s.AddForward("a", wrong); err == nil {
			t.Errorf("%+v is a forward", wrong)
		}
	}
	chosen.To = "cache.other:6379"
	must(t, s.AddForward("a", chosen)) // in place of the other one
	if got := h.load().Effective("a").Forwards(); len(got) != 2 || got[1] != chosen {
		t.Errorf("a has %+v, want %+v as well", got, chosen)
	}
	// What the file gives to another target later is the file's.
	h.write("contexts: {a: {forwards: [{listen: 6379, to: mine:1}]}}\n")
	if got := h.load().Effective("a").Forwards(); len(got) != 1 || got[0].To != "mine:1" {
		t.Errorf("a has %+v, want the file's alone", got)
	}
	if removed, err := s.RemoveForward("a", chosen.Address); err != nil || !removed {
		t.Errorf("it is not removed: %v", err)
	}
	if removed, err := s.RemoveForward("a", chosen.Address); err != nil || removed {
		t.Errorf("it is removed twice: %v", err)
	}
}

func TestForwardOnlyLeavesTheProxyOut(t *testing.T) {
	h := newHome(t, "contexts: {a: {forwards: [{listen: 5432, to: db:5432}], proxies: [{listen: 4140}]}}")
	s := h.load()
	only := Endpoint{Address: netip.MustParseAddrPort("127.0.0.1:6379"), To: "cache:6379", Protocol: TCP}
	must(t, s.ForwardOnly("a", only))
	c, err := s.Prepare("a")
	if got := c.Forwards(); err != nil || len(c.Proxies()) != 0 || len(got) != 1 || got[0] != only {
		t.Errorf("it serves %+v and %+v, %v", c.Proxies(), got, err)
	}
	if port := s.store.remembered("a").proxyPort().Port; port != 0 {
		t.Errorf("its proxy, which is not served, was given port %d", port)
	}
	must(t, s.ForwardOnly("a"))
	if c, err := s.Prepare("a"); err != nil || len(c.Proxies()) != 0 || len(c.Forwards()) != 0 {
		t.Errorf("without a forward it serves %+v and %+v, %v", c.Proxies(), c.Forwards(), err)
	}
}
