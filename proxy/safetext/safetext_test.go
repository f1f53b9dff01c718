package safetext_test

import (
	"testing"
	"unicode/utf8"

	"fairlead/proxy/safetext"
)

func TestCleanLeavesAloneWhatDoesNoHarm(t *testing.T) {
	for _, text := range []string{
		"", "dev", "a b", "prod/eu-1", "münchen", "本番", "ünïcödé e\u0301",
		"\U0001f469\u200d\U0001f469\u200d\U0001f467", // emoji held together by joiners
		"\u2764\ufe0f", // a variation selector
		"\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", // a flag made of tags
		"team\u00a0a", "a\u202fb", "a\u3000b", // spaces of other kinds
		"می\u200cخواهم", "שלום\u200f", // scripts from right to left, with their marks
		"\ue0b0 main", "\U000f0001", // private use, as icon fonts have it
		"\U0001fae9", // younger than Go's tables
		"zero\u200bwidth", "soft\u00adhyphen", "\ufeffmark", "\ufffd",
	} {
		if got := safetext.Clean(text); got != text {
			t.Errorf("Clean(%q) = %q", text, got)
		}
	}
}

func TestCleanReplacesWhatDoes(t *testing.T) {
	for text, want := range map[string]string{
		"a\x1b[31mb":                     "a\ufffd[31mb",
		"a\nb\tc\x00\x7f":                "a\ufffdb\ufffdc\ufffd\ufffd",
		"a\u0085\u009bb":                 "a\ufffd\ufffdb",
		"evil\u202egnp.exe":              "evil\ufffdgnp.exe",
		"\u202a\u2066\u2069\u206a\u206f": "\ufffd\ufffd\ufffd\ufffd\ufffd",
		"a\u2028b\u2029c":                "a\ufffdb\ufffdc",
		"a\ufff9b":                       "a\ufffdb",
		"\ufdd0\uffff\U0001fffe":         "\ufffd\ufffd\ufffd",
		"\xff\xed\xa0\x80":               "\ufffd\ufffd\ufffd\ufffd",
	} {
		if got := safetext.Clean(text); got != want {
			t.Errorf("Clean(%q) = %q, want %q", text, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\u202e\x1b\xff\u200d")
	f.Fuzz(func(t *testing.T, text string) {
		got := safetext.Clean(text)
		if !utf8.ValidString(got) || safetext.Clean(got) != got {
			t.Errorf("Clean(%q) = %q", text, got)
		}
		for _, r := range got {
			if !safetext.Safe(r) {
				t.Errorf("Clean(%q) has %U", text, r)
			}
		}
	})
}
