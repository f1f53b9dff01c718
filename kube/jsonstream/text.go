package jsonstream

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxKey limits what is kept of a key. It is longer than any field's name; labels have longer keys, which are not read.
const maxKey = 64

// stringOverhead is about what a string costs in addition to its bytes.
const stringOverhead = 16

// Text reads a string and keeps its first most bytes, or a few less if the last character does not fit; none for null.
// Bytes that are not UTF-8 become U+FFFD.
func (r *Reader) Text(most int) string {
	if r.readNull() {
		return ""
	}
	s := r.readString(most)
	if s != "" {
		r.Keep(len(s) + stringOverhead)
	}
	return s
}

// readKey reads the key of a field. If it is too long it is cut, and so is not the name of any field that is read.
func (r *Reader) readKey() string { return r.readString(maxKey) }

// readString reads a string, without counting what it keeps.
func (r *Reader) readString(most int) string {
	if r.nextByte() != '"' {
		r.Reject()
	}
	var short [128]byte
	kept := short[:0]
	for r.err == nil {
		c, err := r.source.ReadByte()
		switch {
		case err != nil:
			r.fail(unexpectedEOF(err))
		case c == '"':
			return strings.ToValidUTF8(string(cutAtRune(kept, most)), "\uFFFD")
		case c < ' ':
			r.Reject()
		case c == '\\':
			if char := r.readEscape(); len(kept) <= most {
				kept = utf8.AppendRune(kept, char)
			}
		case len(kept) <= most:
			kept = append(kept, c)
		}
	}
	return ""
}

// cutAtRune cuts text to at most most bytes, and not within a character.
func cutAtRune(text []byte, most int) []byte {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// readEscape reads what follows a backslash.
func (r *Reader) readEscape() rune {
	c, err := r.source.ReadByte()
	if err != nil {
		r.fail(unexpectedEOF(err))
		return 0
	}
	switch c {
	case '"', '\\', '/':
		return rune(c)
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'u':
		return r.readCodePoint()
	}
	r.Reject()
	return 0
}

// readCodePoint reads the four digits of an escaped character, and those of its second half if it has one.
func (r *Reader) readCodePoint() rune {
	char := r.readHex()
	if !utf16.IsSurrogate(char) {
		return char
	}
	if next, err := r.source.Peek(6); err == nil && next[0] == '\\' && next[1] == 'u' {
		second, err := strconv.ParseUint(string(next[2:]), 16, 32)
		if pair := utf16.DecodeRune(char, rune(second)); err == nil && pair != utf8.RuneError {
			_, _ = r.source.Discard(6)
			return pair
		}
	}
	return utf8.RuneError
}

// readHex reads four hexadecimal digits.
func (r *Reader) readHex() rune {
	var n rune
	for range 4 {
		c, err := r.source.ReadByte()
		if err != nil {
			r.fail(unexpectedEOF(err))
			return 0
		}
		digit, err := strconv.ParseUint(string(rune(c)), 16, 8)
		if err != nil {
			r.Reject()
			return 0
		}
		n = n<<4 | rune(digit)
	}
	return n
}
