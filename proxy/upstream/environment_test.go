package upstream_test

import (
	"testing"

	"fairlead/proxy/upstream"
)

func TestTheEnvironmentNamesAProxy(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"} {
		t.Setenv(name, "")
	}
	via := func(to string) string {
		u, err := upstream.EnvironmentProxy(parsed(t, to))
		if err != nil {
			return err.Error()
		}
		if u == nil {
			return ""
		}
		return u.String()
	}
	if got := via("https://a.example"); got != "" {
		t.Errorf("nothing set: %s", got)
	}
	t.Setenv("all_proxy", "socks5://all.example:1")
	t.Setenv("HTTPS_PROXY", "secure.example:2")
	t.Setenv("no_proxy", "direct.example,10.0.0.0/8")
	for to, want := range map[string]string{
		"http://a.example:80": "socks5://all.example:1", "https://a.example:443": "http://secure.example:2", "https://b.direct.example:443": "", "http://10.1.2.3:80": "", "http://localhost:80": "",
	} {
		if got := via(to); got != want {
			t.Errorf("%s by %q, want %q", to, got, want)
		}
	}
	// A malformed variable is an error, not a direct connection, and the error does not quote its value.
	t.Setenv("HTTP_PROXY", "http://bob:hunter2%zz@proxy.example:8080")
	for to, want := range map[string]string{
		"http://a.example:80": "through proxy HTTP_PROXY: the environment's variable is not a URL", "http://10.1.2.3:80": "", "https://a.example:443": "http://secure.example:2",
	} {
		if got := via(to); got != want {
			t.Errorf("%s by %q, want %q", to, got, want)
		}
	}
}

// Like package net/http, FromEnvironment reads the variables once, and ignores ALL_PROXY. A malformed variable is an error
// there, too.
func TestTheEnvironmentOfPackageHTTP(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"} {
		t.Setenv(name, "")
	}
	t.Setenv("ALL_PROXY", "socks5://all.example:1")
	t.Setenv("HTTP_PROXY", "http://bob:hunter2%zz@proxy.example:8080")
	choose := upstream.FromEnvironment()
	t.Setenv("HTTPS_PROXY", "late.example:2")
	if via, err := choose(parsed(t, "https://a.example")); via != nil || err != nil {
		t.Errorf("%v, %v", via, err)
	}
	if via, err := choose(parsed(t, "http://a.example")); via != nil || err == nil || err.Error() != "through proxy HTTP_PROXY: the environment's variable is not a URL" {
		t.Errorf("%v, %v", via, err)
	}
	if via, err := upstream.FromEnvironment()(parsed(t, "https://a.example")); err != nil || via.Host != "late.example:2" {
		t.Errorf("%v, %v", via, err)
	}
}
