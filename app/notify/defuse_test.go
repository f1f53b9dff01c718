package notify

import (
	"strings"
	"testing"
)

func TestTextForScriptsMeansNothingToThem(t *testing.T) {
	for text, want := range map[string]string{
		"Service default/hello has no port 81; it has 80 (http).": "Service default/hello has no port 81; it has 80 (http).",
		"]]><text>":               "]]??text?",
		"$(calc) ${env:x} `n":     "?(calc) ?{env:x} ?n",
		"\"@ \u201d@ \u201e@":     "'@ '@ '@",
		"C:\\x":                   "C:?x",
		"-message x":              " -message x",
		"[a]":                     " [a]",
		"“kubectl get pods -n a”": "'kubectl get pods -n a'",
	} {
		got := defuse(text)
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if strings.ContainsAny(got, "$`\\<>\"\u201c\u201d\u201e") {
			t.Errorf("%q: %q", text, got)
		}
	}
}
