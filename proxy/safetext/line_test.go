package safetext_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"fairlead/proxy/safetext"
)

func TestLineReplacesControlCharactersAndSecrets(t *testing.T) {
	for text, want := range map[string]string{
		"a\r\nb\tc\x00":                          "a  b c",
		"a\u009b31mb\u0085c":                     "a 31mb c",
		"a\u2028b\u2029c":                        "a b c",
		"x\u202ey\u2066z\u200b\ufeff\U000e0041":  "xyz",
		"\ufdd0\xff":                             "\ufffd?",
		"  münchen 本番 ":                          "münchen 本番",
		"pass\u200bword=hunter2":                 "password=…",
		"your Authorization: Bearer hunter2":     "your Authorization: Bearer …",
		"https://me:hunter2@proxy:1 is no proxy": "https://…@proxy:1 is no proxy",
	} {
		if got := safetext.Line(text); got != want {
			t.Errorf("Line(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestLineReplacesCredentials(t *testing.T) {
	basic, _ := http.NewRequest(http.MethodGet, "http://x", nil)
	basic.SetBasicAuth("me", `hun"ter&<word`)
	for _, c := range []struct {
		header http.Header
		text   string
	}{
		{http.Header{"Authorization": {"Bearer hunterword"}}, "you sent hunterword, did you"},
		{http.Header{"Authorization": {"Bearer hunterword"}}, "you sent hunt\u200berword"},
		{http.Header{"Authorization": {"hunterword"}}, "you sent hunterword"},
		{http.Header{"Proxy-Authorization": {"Custom hunter word"}}, "it was hunter word"},
		{http.Header{"Cookie": {"a=hunterword"}}, "you sent a=hunterword"},
		{http.Header{"Impersonate-Extra-Scopes": {"hunterword"}}, "scope hunterword is none"},
		{basic.Header, "you sent " + basic.Header.Get("Authorization")[len("Basic "):]},
		{basic.Header, `password hun"ter&<word is wrong`},
		{basic.Header, `password hun&#34;ter&amp;&lt;word is wrong`},
		{basic.Header, `password hun%22ter%26%3Cword is wrong`},
		{basic.Header, `password hun\"ter&<word is wrong`},
	} {
		got := safetext.Line(c.text, safetext.Credentials(c.header)...)
		if strings.Contains(got, "hun") || strings.Contains(got, "ter&") || strings.Contains(got, basic.Header.Get("Authorization")[len("Basic "):]) || !strings.Contains(got, "…") {
			t.Errorf("%v: %q", c.header, got)
		}
	}
	if got := safetext.Line("user me is the one", safetext.Credentials(http.Header{"Authorization": {"Basic bWU6bWU="}})...); got != "user me is the one" {
		t.Errorf("a short password is replaced inside other words: %q", got)
	}
}

func TestErrorUnwrapsToItsCause(t *testing.T) {
	plain := errors.New("no route")
	if got := safetext.Error(plain, "hunter2"); got != plain {
		t.Errorf("an error without secrets is another one: %v", got)
	}
	if safetext.Error(nil) != nil {
		t.Error("Error(nil) is not nil")
	}
	late := safetext.Error(&url.Error{Op: "Get", URL: "http://hunter2/", Err: context.DeadlineExceeded}, "hunter2")
	outer := &url.Error{Op: "Get", URL: "x", Err: late}
	if strings.Contains(outer.Error(), "hunter2") || !outer.Timeout() || !errors.Is(outer, context.DeadlineExceeded) {
		t.Errorf("%v, timeout %v", outer, outer.Timeout())
	}
	if other := safetext.Error(fmt.Errorf("a %w\n", plain)); !errors.Is(other, plain) || other.Error() != "a no route" {
		t.Errorf("%q", other)
	}
}
