package plugin

import (
	"regexp"
	"strings"
	"sync"
	"unicode"
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

// lastLine is the last line that says something, fit to be shown.
func (t *tail) lastLine() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := ""
	for line := range strings.Lines(strings.ReplaceAll(string(t.data), "\r", "\n")) {
		if line = clean(line); line != "" {
			last = line
		}
	}
	return last
}

var (
	escapes = regexp.MustCompile("\x1b(\\[[0-9;?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)?)")
	// What may be a token, a key or a password's hash; and a URL's part that may hold one.
	secrets = regexp.MustCompile(`[A-Za-z0-9+/=_.~-]{40,}|eyJ[A-Za-z0-9_-]+[A-Za-z0-9_.-]*`)
	queries = regexp.MustCompile(`(://)[^/\s@]*@|[?#]\S*`)
)

// clean makes foreign text fit to be shown in one line: bounded, printable, and without what may be a secret.
func clean(s string) string {
	s = escapes.ReplaceAllString(strings.ToValidUTF8(s, ""), "")
	if strings.Contains(s, "://") {
		s = queries.ReplaceAllString(s, "$1")
	}
	s = secrets.ReplaceAllString(s, "…")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if len(s) > maxLine {
		s = strings.ToValidUTF8(s[:maxLine], "") + "…"
	}
	return s
}
