package explain_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"fairlead/app/explain"
	"fairlead/kube/fault"
	"fairlead/proxy/safetext"
)

func TestHostileTextBecomesOneHarmlessLine(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"plain", "plain"},
		{"a\r\nSet-Cookie: x\x00\x1b[31m", "a Set-Cookie: x[31m"},
		{"evil\u202egnp.exe", "evilgnp.exe"},
		{"zero\u200bwidth \ufeffmark", "zerowidth mark"},
		{"bad \xff\xfe bytes", "bad bytes"},
		{"  many \t spaces  ", "many spaces"},
		{"Zürich 東京", "Zürich 東京"},
		{"\U0001f469\u200d\U0001f467 \u2764\ufe0f", "\U0001f469\u200d\U0001f467 \u2764\ufe0f"},
		{"\ue0b0\U0001fae9", "\ue0b0\U0001fae9"}, // a character of an icon font, and one newer than Go's tables
		{"a\u2066b\u2069\u2028c", "ab c"},
		{"", ""},
	} {
		if got := explain.Plain(c.text, 100); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}

func TestCredentialsAreNotRepeated(t *testing.T) {
	const secret = "hunter2hunter2"
	for _, text := range []string{
		"Get \"https://admin:" + secret + "@api.example:6443/api\": refused",
		"https://" + secret + "@api.example",
		"Authorization: Bearer " + secret,
		"authorization: basic " + secret,
		"access_token=" + secret + "&x=1",
		"{\"token\": \"" + secret + "\"}",
		"password: " + secret,
		"client-key-data: " + secret,
		"invalid eyJhbGciOiJSUzI1NiJ9.eyJzdWIi" + secret + ".c2lnbmF0dXJl token",
	} {
		if got := explain.Plain(text, 200); strings.Contains(got, secret) {
			t.Errorf("%q still tells it: %q", text, got)
		}
		if got := explain.Error(errors.New(text)).Text(); strings.Contains(got, secret) {
			t.Errorf("%q still tells it: %q", text, got)
		}
	}
	if got := explain.Plain("no token is set; Bearer of news", 200); got != "no token is set; Bearer of news" {
		t.Errorf("harmless words were taken away: %q", got)
	}
}

func TestLongTextKeepsItsEnds(t *testing.T) {
	for limit := range 20 {
		got := explain.Plain("gke_project_europe-west1_production", limit)
		if n := utf8.RuneCountInString(got); n != limit {
			t.Errorf("limit %d: %d characters: %q", limit, n, got)
		}
	}
	if got := explain.Plain("gke_project_europe-west1_production", 20); got != "gke_project_…duction" {
		t.Errorf("%q", got)
	}
}

func FuzzSentencesAreHarmless(f *testing.F) {
	f.Add("name", "text")
	f.Add("a\nb", "\x1b]0;x\a")
	f.Add("\u202e", strings.Repeat("x", 10000))
	f.Fuzz(func(t *testing.T, name, text string) {
		for _, err := range []error{
			errors.New(text),
			&fault.NotFound{Kind: fault.Port, Name: name, Namespace: text, Service: name, Has: []string{text, name}},
			&fault.NoEndpoints{Service: name, Namespace: name, Detail: text},
			&fault.Login{Context: name, Plugin: text, Err: errors.New(text)},
			&fault.Login{Context: name, Plugin: name, Cause: fault.PluginMissing, SearchPath: text, Hint: text, Command: name},
			&fault.Login{Context: name, Plugin: name, Cause: fault.PluginFailed, Detail: text, Command: text},
			&fault.HostNetwork{Pod: name, Namespace: text, Node: text},
			&fault.Unreachable{Server: name, Err: errors.New(text)},
			&fault.Unsupported{What: text},
			&fault.Oversized{Server: name, Of: fault.Elements, Bound: 1},
		} {
			e := explain.Error(err)
			for _, s := range []string{e.Title, e.Text(), explain.Short(err)} {
				if !utf8.ValidString(s) || s == "" {
					t.Fatalf("%q", s)
				}
				unfit := func(r rune) bool {
					return !safetext.Safe(r) || r == utf8.RuneError || unicode.Is(unicode.Cf, r) && !safetext.Joins(r)
				}
				if i := strings.IndexFunc(s, unfit); i >= 0 {
					t.Fatalf("%q has a character that is not fit for a sentence at %d", s, i)
				}
			}
			if n := utf8.RuneCountInString(explain.Short(err)); n > explain.ShortLength {
				t.Fatalf("%d characters", n)
			}
		}
	})
}
