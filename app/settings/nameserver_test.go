package settings

import (
	"net/netip"
	"strings"
	"testing"
)

func TestANameserverIsAnEndpointOfItsContext(t *testing.T) {
	c := config(t, "defaults: {dns-outside: forward}\ncontexts: {a: {dns: 127.0.0.9:1053}, b: {dns: 1054, dns-outside: refuse}, c: {}}\n")
	for name, want := range map[string]string{"a": "127.0.0.9:1053", "b": "127.0.0.1:1054"} {
		e := c.context(name, contextState{})
		got := e.Nameservers()
		if len(got) != 1 || got[0] != (Endpoint{Address: netip.MustParseAddrPort(want), Protocol: DNS}) || len(e.Proxies()) != 1 || len(e.Forwards()) != 0 {
			t.Errorf("%s has %+v", name, e.Endpoints)
		}
		if outside := map[string]NamesOutside{"a": ForwardNames, "b": RefuseNames}[name]; e.NamesOutside != outside {
			t.Errorf("%s has names outside: %s", name, e.NamesOutside)
		}
	}
	if e := c.context("c", contextState{}); len(e.Nameservers()) != 0 {
		t.Errorf("c has %+v", e.Endpoints)
	}
	if e := config(t, "contexts: {a: {dns: 1053}}\n").context("a", contextState{}); e.NamesOutside != RefuseNames {
		t.Errorf("by default other names are %s", e.NamesOutside)
	}
}

func TestAWrongNameserverIsAProblemOfItsLine(t *testing.T) {
	for text, want := range map[string]string{
		"0.0.0.0:1053":   "it asks for no password, so it listens on this machine only: write 127.0.0.1:1053",
		"192.0.2.1:1053": "it asks for no password",
		"x":              `"x" is neither a port`,
		"0":              `"0" is neither a port`,
		"[1053]":         "",
		"1080":           "127.0.0.1:1080 is an address of a already (line 3)",
		"5432":           "127.0.0.1:5432 is an address of a already (line 4)",
	} {
		c, err := Parse([]byte("contexts:\n  a:\n    port: 1080\n    forwards: [{listen: 5432, to: x:1}]\n    dns: "+text+"\n"), "f")
		if err == nil && len(c.flaws) > 0 {
			err = c.flaws
		}
		if err == nil || !strings.HasPrefix(err.Error(), "f:5: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want f:5: %s", text, err, want)
		}
		if a := c.context("a", contextState{}); a.Port() != 1080 || len(a.Nameservers()) != 0 || len(a.Forwards()) != 1 {
			t.Errorf("%s: the rest of the settings is not in force: %+v", text, a)
		}
	}
	for _, text := range []string{"defaults: {dns: 1053}", `contexts: {"a*": {dns: 1053}}`} {
		if c, err := Parse([]byte(text+"\n"), "f"); err != nil || len(c.flaws) != 1 || !strings.Contains(c.flaws[0].Text, "a port is one context's") {
			t.Errorf("%s: %v, %v", text, c.flaws, err)
		}
	}
}
