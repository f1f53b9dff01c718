package http1

import "strings"

const maxDetails = 300 // bytes, in the details of a Proxy-Status

// ProxyStatus returns the value of a Proxy-Status header for an error (RFC 9209 section 2). The header is a structured
// field (RFC 9651).
func ProxyStatus(errorType, details string) string {
	return Pseudonym + "; error=" + errorType + "; details=" + sfString(details)
}

// sfString formats text as a String of RFC 9651 section 3.3.3. A String is printable ASCII: other characters become
// question marks, and a long text is cut off.
func sfString(text string) string {
	var quoted strings.Builder
	quoted.WriteByte('"')
	for _, c := range text {
		switch {
		case quoted.Len() >= maxDetails:
			quoted.WriteString("...")
			quoted.WriteByte('"')
			return quoted.String()
		case c == '\u201c' || c == '\u201d': // around a command to paste
			quoted.WriteByte('\'')
			continue
		case c < ' ' || c > '~':
			quoted.WriteByte('?')
			continue
		case c == '"' || c == '\\':
			quoted.WriteByte('\\')
		}
		quoted.WriteRune(c)
	}
	quoted.WriteByte('"')
	return quoted.String()
}

// IsErrorType reports whether word has the form of the error types that RFC 9209 section 2.3 registers.
func IsErrorType(word string) bool {
	return word != "" && len(word) <= 64 && strings.Trim(word, "abcdefghijklmnopqrstuvwxyz_") == "" && word[0] != '_'
}
