package jsonstream

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A scanner reads the bytes and the words of JSON. After its first error it returns zero values.
type scanner struct {
	source *bufio.Reader
	err    error
}

func (s *scanner) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// nextByte reads the first byte that is not a space. It returns 0 after an error.
func (s *scanner) nextByte() byte {
	if s.err != nil {
		return 0
	}
	c, err := s.peekByte()
	if err != nil {
		s.fail(unexpectedEOF(err))
		return 0
	}
	_, _ = s.source.Discard(1)
	return c
}

// peekByte returns the first byte that is not a space, without reading it.
func (s *scanner) peekByte() (byte, error) {
	for {
		c, err := s.source.ReadByte()
		if err != nil {
			return 0, err
		}
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c, s.source.UnreadByte()
		}
	}
}

// maxLiteral limits a number. Those in an API server's answers are far shorter.
const maxLiteral = 64

// readLiteral reads a number or a word.
func (s *scanner) readLiteral() string {
	var word []byte
	for s.err == nil {
		c, err := s.source.ReadByte()
		if err == io.EOF {
			break
		}
		if err != nil {
			s.fail(err)
			break
		}
		if c != '-' && c != '+' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && c != 'E' {
			_ = s.source.UnreadByte()
			break
		}
		if word = append(word, c); len(word) > maxLiteral {
			s.fail(ErrSyntax)
		}
	}
	if len(word) == 0 {
		s.fail(ErrSyntax)
	}
	return string(word)
}

// readString reads a string, without counting what it keeps.
func (s *scanner) readString(most int) string {
	if s.nextByte() != '"' {
		s.fail(ErrSyntax)
	}
	var short [128]byte
	kept := short[:0]
	for s.err == nil {
		c, err := s.source.ReadByte()
		switch {
		case err != nil:
			s.fail(unexpectedEOF(err))
		case c == '"':
			return strings.ToValidUTF8(string(cutAtRune(kept, most)), "\uFFFD")
		case c < ' ':
			s.fail(ErrSyntax)
		case c == '\\':
			if char := s.readEscape(); len(kept) <= most {
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
func (s *scanner) readEscape() rune {
	c, err := s.source.ReadByte()
	if err != nil {
		s.fail(unexpectedEOF(err))
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
		return s.readCodePoint()
	}
	s.fail(ErrSyntax)
	return 0
}

// readCodePoint reads the four digits of an escaped character, and those of its second half if it has one.
func (s *scanner) readCodePoint() rune {
	char := s.readHex()
	if !utf16.IsSurrogate(char) {
		return char
	}
	if next, err := s.source.Peek(6); err == nil && next[0] == '\\' && next[1] == 'u' {
		second, err := strconv.ParseUint(string(next[2:]), 16, 32)
		if pair := utf16.DecodeRune(char, rune(second)); err == nil && pair != utf8.RuneError {
			_, _ = s.source.Discard(6)
			return pair
		}
	}
	return utf8.RuneError
}

// readHex reads four hexadecimal digits.
func (s *scanner) readHex() rune {
	var n rune
	for range 4 {
		c, err := s.source.ReadByte()
		if err != nil {
			s.fail(unexpectedEOF(err))
			return 0
		}
		digit, err := strconv.ParseUint(string(rune(c)), 16, 8)
		if err != nil {
			s.fail(ErrSyntax)
			return 0
		}
		n = n<<4 | rune(digit)
	}
	return n
}

// unexpectedEOF returns the error of a value that is cut off.
func unexpectedEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
