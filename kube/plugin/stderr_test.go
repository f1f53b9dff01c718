package plugin

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestForeignTextIsCleaned(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "",
		"\t two \r\n lines \x00 ":           "two lines",
		"\x1b[1;31mred\x1b[0m \x1b]0;t\x07": "red",
		"\xff\xfe broken \u202e text":       "broken text",
		"open /home/someone/.kube/cache/oidc-login/0123456789abcdef0123456789abcdef: permission denied": "open /home/someone/.kube/cache/oidc-login/0123456789abcdef0123456789abcdef: permission denied",
		"password=hunter2 was refused":                       "password=… was refused",
		"login --token hunter2 --region eu":                  "login --token … --region eu",
		"login --client-secret=hunter2 failed":               "login --client-secret=… failed",
		`{"user":"me","password":"hunter2","code":1}`:        `{"user":"me","password":"…","code":1}`,
		"AWS_SECRET_ACCESS_KEY: hunter2":                     "AWS_SECRET_ACCESS_KEY: …",
		"Authorization: Bearer hunter2":                      "Authorization: Bearer …",
		"basic aHVudGVyMjpodW50ZXI=, and more":               "basic …, and more",
		"key AKIAIOSFODNN7EXAMPLE of ghp_0123456789abcdef":   "key … of …",
		"no /eyJhbGciOiJSUzI1NiJ9.eyJzdWIi.c2ln":             "no /…",
		"the token has expired":                              "the token has expired",
		"enter your password: ":                              "enter your password:",
		"invalid token: it has expired":                      "invalid token: it has expired",
		"token eyJhbGciOiJSUzI1NiJ9.eyJzdWIi.c2ln is old":    "token … is old",
		"key='wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'":     "key='…'",
		"see https://me:pw@idp.example/login?code=1#x now":   "see https://idp.example/login now",
		"gke-gcloud-auth-plugin-is-too-old-for-this-cluster": "gke-gcloud-auth-plugin-is-too-old-for-this-cluster",
		strings.Repeat("é ", 200):                            strings.Repeat("é ", 66) + "é…",
	} {
		if got := clean(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzForeignText(f *testing.F) {
	f.Add("Error: \x1b[31m eyJ https://a@b/?c")
	f.Fuzz(func(t *testing.T, text string) {
		got := clean(text)
		if len(got) > maxLine+len("…") || !utf8.ValidString(got) || strings.ContainsAny(got, "\n\r\x1b\x00") {
			t.Errorf("%q: %q", text, got)
		}
		var line tail
		if _, err := line.Write([]byte(text)); err != nil || len(line.data) > maxTail || len(line.lastLine()) > maxLine+len("…") {
			t.Errorf("%q: %v", text, err)
		}
	})
}
