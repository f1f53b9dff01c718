package settings

import (
	"fmt"
	"strings"
	"testing"
)

func TestTheNearestAPIProxyWins(t *testing.T) {
	c := config(t, `
defaults: {api-proxy: "http://default.example:3128"}
contexts:
  inherits: {}
  own: {api-proxy: SOCKS5h://me:p%40ss@own.example/}
  none: {api-proxy: none}
  auto: {api-proxy: auto}
  "glob-*": {api-proxy: none}
  glob-b: {api-proxy: https://b.example}
`)
	for name, want := range map[string]string{
		"inherits": "http://default.example:3128", "own": "socks5h://me:p%40ss@own.example", "none": "none", "auto": "auto",
		"glob-a": "none", "glob-b": "https://b.example",
	} {
		got := c.context(name, contextState{}).APIProxy
		text := got.String()
		if got.URL != nil {
			text = got.URL.String()
		}
		if text != want || got.None != (want == "none") {
			t.Errorf("%s: %s, want %s", name, text, want)
		}
	}
	if got := config(t, "").context("a", contextState{}).APIProxy; got != (APIProxy{}) {
		t.Errorf("by default: %v", got)
	}
}

// The password does not appear in any way of printing a context's settings.
func TestAnAPIProxyIsPrintedWithoutItsPassword(t *testing.T) {
	e := config(t, "defaults: {api-proxy: \"http://me:hunter2@proxy.example:3128\"}").context("a", contextState{})
	for _, format := range []string{"%v", "%+v", "%s"} {
		if text := fmt.Sprintf(format, e) + fmt.Sprintf(format, e.APIProxy); strings.Contains(text, "hunter2") || !strings.Contains(text, "http://…@proxy.example:3128") {
			t.Errorf("%s: %s", format, text)
		}
	}
}

func TestAContextIsNotReachedThroughItself(t *testing.T) {
	h := newHome(t, `
contexts:
  a: {port: 1500, api-proxy: "socks5h://localhost:1500"}
  b: {port: 1501, api-proxy: "http://127.0.0.1:1500"}
  c: {port: 1502, listen: 127.0.0.2, api-proxy: "http://127.0.0.1:1502"}
`)
	s := h.load()
	for name, wrong := range map[string]bool{"a": true, "b": false, "c": false} {
		if problem := s.Effective(name).Problem; (problem != "") != wrong {
			t.Errorf("%s: %q", name, problem)
		}
	}
}
