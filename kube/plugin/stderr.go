package plugin

import (
	"regexp"
	"strings"
	"sync"
	"unicode"

	"fairlead/proxy/safetext"
)

const (
	maxTail = 4 << 10 // bytes of stderr that are kept
	maxLine = 200     // bytes of a line that is shown
)

// A tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	data []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if over := len(t.data) - maxTail; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
	return len(p), nil
}

// text returns all that is kept, as it was written.
func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.data)
}

// lastLine returns the last line that is not empty, fit to be shown.
func (t *tail) lastLine() string {
	last := ""
	for line := range strings.Lines(strings.ReplaceAll(t.text(), "\r", "\n")) {
		if line = clean(line); line != "" {
			last = line
		}
	}
	return last
}

var (
	escapes = regexp.MustCompile("\x1b(\\[[0-9;?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)?)")
	// What may be a token, a key or a hash; and the parts of a URL that may have one.
	tokens  = regexp.MustCompile(`eyJ[A-Za-z0-9_.-]+|[A-Za-z0-9+/=_~-]{32,}`)
	digits  = regexp.MustCompile(`[0-9]`)
	queries = regexp.MustCompile(`(://)[^/\s@]*@|[?#]\S*`)
)

// clean makes foreign text fit to be shown in one line: of limited length, printable, and without what may be a secret.
func clean(s string) string {
	s = escapes.ReplaceAllString(strings.ToValidUTF8(s, ""), "")
	words := strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
	for i, word := range words {
		words[i] = withoutSecrets(word)
	}
	s = safetext.Mask(strings.Join(words, " "))
	if len(s) > maxLine {
		s = strings.ToValidUTF8(s[:maxLine], "") + "…"
	}
	return s
}

func withoutSecrets(word string) string {
	if strings.Contains(word, "://") {
		word = queries.ReplaceAllString(word, "$1")
	} else if strings.ContainsAny(word[:1], "/~.") {
		return word // a file's path, which can be long
	}
	return tokens.ReplaceAllStringFunc(word, func(t string) string {
		if !strings.HasPrefix(t, "eyJ") && !digits.MatchString(t) {
			return t // a long word
		}
		return "…"
	})
}
