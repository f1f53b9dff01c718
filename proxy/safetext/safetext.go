// Package safetext defines which characters of text from elsewhere may be shown: on a terminal, in a menu, in a log.
//
// It removes only what is harmful. A name may contain anything that does not affect the text around it, such as joined
// emoji, no-break spaces, or characters that are newer than Go's tables.
package safetext

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Safe reports whether a character does not affect the text around it. These are not safe: control characters, line and
// paragraph separators, characters that embed, isolate or override a direction (U+202A to U+202E, U+2066 to U+206F),
// the marks of interlinear annotation, and noncharacters.
func Safe(r rune) bool {
	switch {
	case unicode.IsControl(r), r == '\u2028', r == '\u2029':
		return false
	case '\u202a' <= r && r <= '\u202e', '\u2066' <= r && r <= '\u206f':
		return false
	case '\ufff9' <= r && r <= '\ufffb':
		return false
	case '\ufdd0' <= r && r <= '\ufdef', r&0xfffe == 0xfffe:
		return false
	}
	return utf8.ValidRune(r)
}

// Joins reports whether an invisible character belongs to the ones next to it, so that removing it would change what is
// seen: the joiner that holds emoji together, the non-joiner of several scripts, and the tags of a flag.
func Joins(r rune) bool {
	return r == '\u200d' || r == '\u200c' || '\U000e0020' <= r && r <= '\U000e007f'
}

// Clean replaces characters that are not Safe, and bytes that are not UTF-8, by U+FFFD.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if Safe(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
