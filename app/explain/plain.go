package explain

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"fairlead/proxy/safetext"
)

// nameLength is the greatest length of a name inside a sentence, in characters. Kubernetes allows no more for a
// namespace and a name together.
const nameLength = 130

// textLength is the greatest length of a text from elsewhere inside a sentence, in characters.
const textLength = 240

// secrets matches text that looks like a credential in an error: the user part of a URL, the value of an Authorization
// header, a named token or password, a JSON Web Token.
var secrets = regexp.MustCompile(`(?i)(://)[^/@\s]+@` +
	`|\b((?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{8,}` +
	`|\b((?:[a-z_-]*token|password|passwd|secret|api-?key|client-key-data)["']?\s*[=:]\s*)(?:"[^"]*"|'[^']*'|[^\s,;&]+)` +
	`|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?`)

// Plain makes text of unknown origin safe for a sentence on a screen: one line, without control characters, without
// characters that change the direction or are invisible, except for joiners such as those in emoji, without anything
// that looks like a credential, and with at most limit characters. Longer text is cut in the middle.
func Plain(text string, limit int) string {
	// Text far beyond the limit is dropped first, because it may be megabytes.
	const most = 2 << 10
	if len(text) > most {
		text = text[:most]
	}
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !safetext.Safe(r), r == utf8.RuneError, unicode.Is(unicode.Cf, r) && !safetext.Joins(r):
			return -1
		}
		return r
	}, text)
	text = secrets.ReplaceAllString(strings.Join(strings.Fields(text), " "), "$1$2$3…")
	return shorten(text, limit)
}

// shorten cuts text that is longer than limit characters in the middle.
func shorten(text string, limit int) string {
	r := []rune(text)
	if len(r) <= limit {
		return text
	}
	if limit < 3 {
		return string(r[:max(limit, 0)])
	}
	head := (limit - 1) * 2 / 3
	tail := limit - 1 - head
	return string(r[:head]) + "…" + string(r[len(r)-tail:])
}

// cut ends text after at most limit characters, at the end of a word if possible.
func cut(text string, limit int) string {
	r := []rune(text)
	if len(r) <= limit {
		return text
	}
	text = string(r[:limit-1])
	if i := strings.LastIndexByte(text, ' '); i > len(text)/2 {
		text = text[:i]
	}
	return strings.TrimRight(text, " ,;:.") + "…"
}

// sentence makes a sentence from text from elsewhere: with a capital first, and a full stop at the end.
func sentence(text string) string {
	text = strings.TrimRight(Plain(text, textLength), " .:;,")
	if text == "" {
		return "It failed without saying why."
	}
	first, size := utf8.DecodeRuneInString(text)
	// A word such as "context" gets a capital; a path, an address or the name of a file is unchanged.
	word, _, _ := strings.Cut(text, " ")
	if !strings.ContainsAny(word, "/.:\\") {
		text = string(unicode.ToUpper(first)) + text[size:]
	}
	return text + "."
}

// fragment makes text from elsewhere a part of a sentence, without a full stop. It may be empty.
func fragment(text string) string { return strings.TrimRight(Plain(text, textLength), " .") }

// name makes the name of an object safe for a sentence.
func name(s string) string {
	if s = Plain(s, nameLength); s == "" {
		return "(no name)"
	}
	return s
}

// commandLetters have no special meaning in any shell.
const commandLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@:/-"

// simple reports whether s can be part of a command line that is offered for pasting.
func simple(s string) bool {
	return s != "" && len(s) <= 253 && s[0] != '-' && strings.Trim(s, commandLetters) == ""
}
