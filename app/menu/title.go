package menu

import (
	"net"
	"strings"
	"unicode"
	"unicode/utf8"

	"fairlead/proxy/safetext"
)

const (
	maxName     = 48      // runes of a name
	maxSentence = 100     // runes of a path
	maxCommand  = 70      // runes of a command line
	maxSpan     = 24      // runes of each of the two names that a group goes from and to
	maxCause    = 40      // runes of the cause in a context's row
	maxMessage  = 1000    // runes of a sentence with its hint, to copy
	maxWidth    = 64      // runes of a line of a sentence
	maxHeight   = 8       // lines of a sentence
	badge       = "⚠ "    // marks what needs attention
	star        = "★ "    // marks the kubeconfig's current context
	production  = "PROD " // marks a production context
	state       = "  –  " // between a context's title and its state
)

// ShortAddress returns an address, host:port, without the host if that is the usual one, 127.0.0.1.
func ShortAddress(address string) string {
	if host, port, err := net.SplitHostPort(address); err == nil && host == "127.0.0.1" {
		return ":" + port
	}
	return address
}

func shortName(name string) string {
	if name = strings.TrimSpace(clean(name)); name == "" {
		return "(no name)"
	}
	return shortMiddle(name, maxName)
}

// oneLine returns text as one line, without spaces around it.
func oneLine(text string) string { return strings.TrimSpace(clean(text)) }

// clean makes text from a kubeconfig or a cluster safe for one line: valid UTF-8 without line breaks, control
// characters, or characters that change the direction of text.
func clean(text string) string {
	return safetext.Clean(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, text))
}

// shortMiddle removes runes in the middle of a text that is longer than limit. Names and paths differ at both ends.
func shortMiddle(text string, limit int) string {
	runes := []rune(text)
	if len(runes) <= limit {
		return text
	}
	head := limit / 2
	return string(runes[:head]) + "…" + string(runes[len(runes)-(limit-head-1):])
}

func shortEnd(text string, limit int) string {
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return text
}

func runeCount(text string) int { return utf8.RuneCountInString(text) }

// wrap returns the lines of a sentence: of maxWidth runes, if possible ending with a word, and maxHeight of them.
func wrap(sentence string) []string {
	var lines []string
	rest := []rune(strings.TrimSpace(sentence))
	for len(rest) > maxWidth && len(lines) < maxHeight-1 {
		end := maxWidth
		for end > 0 && rest[end] != ' ' {
			end--
		}
		if end < maxWidth/2 {
			end = maxWidth // a long word, or a script without spaces
		}
		lines = append(lines, strings.TrimSpace(string(rest[:end])))
		rest = []rune(strings.TrimSpace(string(rest[end:])))
	}
	if len(rest) == 0 {
		return lines
	}
	return append(lines, shortEnd(string(rest), maxWidth))
}
