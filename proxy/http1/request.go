// Package http1 implements the grammar of HTTP/1 for a proxy: what a valid request is, what may be passed on, and how
// large heads may be. Its functions work on bytes and do no input or output.
package http1

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
)

// A RequestHead is the request line and the header of a client's request. It is parsed before net/http gets it, for two
// reasons. The target must be passed on as the client wrote it (RFC 9110 7.7), but net/http accepts only targets that
// package net/url can parse. And a refused request should get an answer that says why.
//
// Text is the head for net/http. Its target is a placeholder, and it is unambiguous: every line ends with CRLF, no line
// is folded, and the body has one length.
type RequestHead struct {
	Method  string
	Target  string // byte for byte
	Text    []byte
	Length  int64 // of the body
	Chunked bool  // the body's length is not known
	Refused *Error
	Silent  bool // if Refused is set: a web page may have made a browser send it, so it gets no answer
}

// An Error is the reason why a proxy cannot serve a request, whatever its target.
type Error struct {
	Status int
	Text   string
}

func (e *Error) Error() string { return e.Text }

// BadRequest returns an Error with status 400.
func BadRequest(format string, args ...any) *Error {
	return &Error{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// A Field is a line of a header.
type Field struct{ Name, Value string }

func (f Field) is(name string) bool { return strings.EqualFold(f.Name, name) }

// ErrHeadTooLarge is the error for a head that does not end within MaxHeader.
var ErrHeadTooLarge = &Error{
	http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("The head of the request is larger than %d KiB.", MaxHeader>>10),
}

// HeadCost returns how much memory a head with a number of bytes and lines uses, in bytes: the original, the one for
// net/http, and the parsed one with its table of fields.
func HeadCost(bytes, lines int) int { return 4*bytes + 192*lines }

// MaxHeader bounds the head of a request, and the head of a response together with all interim responses before it, in
// bytes.
const MaxHeader = 64 << 10

// MaxFields bounds the lines of a header. Net/http keeps them in a table, where even a short line takes more than a hundred
// bytes.
const MaxFields = 256

// errTooManyFields is the error for a header of more than MaxFields lines.
var errTooManyFields = &Error{
	http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("The request has more than %d header fields.", MaxFields),
}

// ParseRequest reads a head up to the empty line that ends it.
func ParseRequest(raw []byte) *RequestHead {
	line, rest, _ := bytes.Cut(raw, []byte("\n"))
	h, minor, err := parseRequestLine(string(bytes.TrimSuffix(line, []byte("\r"))))
	if err != nil {
		return Refuse(raw, err)
	}
	fields, err := ParseFields(rest)
	if err != nil {
		return Refuse(raw, err)
	}
	for _, check := range []func([]Field, int) *Error{checkHost, checkExpect, h.findLength} {
		if err := check(fields, minor); err != nil {
			return Refuse(raw, err)
		}
	}
	if h.write(fields, minor); len(h.Text) > MaxHeader {
		return Refuse(raw, ErrHeadTooLarge)
	}
	return h
}

// Refuse returns a head that takes the place of raw: net/http accepts it, and it is answered with err. It is the last one of
// its client.
func Refuse(raw []byte, err *Error) *RequestHead {
	asked, rest, _ := strings.Cut(string(raw[:min(len(raw), formPrefix)]), " ")
	method := http.MethodGet
	if asked == http.MethodHead { // its answer has no body
		method = asked
	}
	return &RequestHead{
		Method: method, Refused: err, Silent: IsOriginForm(strings.TrimLeft(rest, " ")),
		Text: []byte(method + " / HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n"),
	}
}

// formPrefix is how much of a head is looked at to recognize the form of its target, in bytes.
const formPrefix = 64

// IsOriginForm reports whether a target has the form of requests to servers, not to proxies (RFC 9112 3.2.1). It is the
// only form that a web page can make a browser send to a port of its choice.
func IsOriginForm(target string) bool { return strings.HasPrefix(target, "/") }

// parseRequestLine reads "METHOD TARGET HTTP/1.1" (RFC 9112 3). The target may contain any byte except spaces and
// control characters; its meaning concerns only the client and the server.
func parseRequestLine(line string) (*RequestHead, int, *Error) {
	parts := strings.Split(line, " ")
	if hasControl(line) {
		return nil, 0, BadRequest("The request line has a control character in it: a target has them encoded, as %%0A.")
	}
	version := parts[len(parts)-1]
	digits, known := strings.CutPrefix(version, "HTTP/")
	known = known && len(digits) == 3 && digits[1] == '.' && isDigits(digits[:1]) && isDigits(digits[2:])
	switch {
	case len(parts) < 3 || !known || !isToken(parts[0]) || parts[1] == "":
		return nil, 0, BadRequest("The request line is not one of HTTP/1.1, which has a method, a target and a version.")
	case len(parts) > 3:
		return nil, 0, BadRequest("The request line has too many spaces in it: a target has them encoded, as %%20.")
	case digits[0] != '1':
		return nil, 0, &Error{http.StatusHTTPVersionNotSupported, "This proxy speaks HTTP/1.1, and the request is one of " + version + "."}
	}
	minor := 1
	if digits == "1.0" {
		minor = 0
	}
	return &RequestHead{Method: parts[0], Target: parts[1]}, minor, nil
}

// ParseFields reads the lines of a header, or of a trailer, up to the empty one.
func ParseFields(raw []byte) ([]Field, *Error) {
	var fields []Field
	for n := 1; ; n++ {
		line, rest, found := bytes.Cut(raw, []byte("\n"))
		text := string(bytes.TrimSuffix(line, []byte("\r")))
		raw = rest
		name, value, colon := strings.Cut(text, ":")
		folded := text != "" && (text[0] == ' ' || text[0] == '\t')
		switch {
		case text == "" || !found:
			return fields, nil
		case n > MaxFields:
			return nil, errTooManyFields
		case hasControl(strings.ReplaceAll(text, "\t", " ")):
			return nil, BadRequest("Line %d of the request's header has a control character in it.", n)
		case folded && len(fields) > 0: // RFC 9112 5.2
			last := &fields[len(fields)-1]
			last.Value = strings.Trim(last.Value+" "+strings.Trim(text, " \t"), " ")
		case !colon || !isToken(name):
			return nil, BadRequest("Line %d of the request's header is not \u201cName: value\u201d.", n)
		default:
			fields = append(fields, Field{name, strings.Trim(value, " \t")})
		}
	}
}

// checkHost requires exactly one Host (RFC 9112 3.2). Its value does not matter to a proxy, which uses the target.
func checkHost(fields []Field, minor int) *Error {
	hosts := 0
	for _, f := range fields {
		if f.is("Host") {
			if hosts++; strings.Trim(f.Value, hostBytes) != "" {
				return BadRequest("The request's Host header is malformed.")
			}
		}
	}
	switch {
	case hosts > 1:
		return BadRequest("The request has more than one Host header.")
	case hosts == 0 && minor > 0:
		return BadRequest("The request has no Host header, which HTTP/1.1 requires.")
	}
	return nil
}

// checkExpect refuses expectations that this proxy cannot meet (RFC 9110 10.1.1).
func checkExpect(fields []Field, _ int) *Error {
	for _, f := range fields {
		if f.is("Expect") && !strings.EqualFold(f.Value, "100-continue") {
			return &Error{http.StatusExpectationFailed, "The request expects something of this proxy that is not 100-continue."}
		}
	}
	return nil
}

// findLength determines the length of the body (RFC 9112 6.3), and refuses requests for which it is ambiguous.
func (h *RequestHead) findLength(fields []Field, minor int) *Error {
	var length string
	for _, f := range fields {
		switch {
		case f.is("Content-Length"):
			if !isDigits(f.Value) || len(f.Value) > 18 || length != "" && f.Value != length {
				return BadRequest("The request's Content-Length is malformed, or there are several.")
			}
			length = f.Value
		case f.is("Transfer-Encoding") && minor == 0:
			return BadRequest("The request has a Transfer-Encoding, which HTTP/1.0 does not know.")
		case f.is("Transfer-Encoding") && (h.Chunked || !strings.EqualFold(f.Value, "chunked")):
			return &Error{http.StatusNotImplemented, "This proxy knows no Transfer-Encoding but \u201cchunked\u201d."}
		case f.is("Transfer-Encoding"):
			h.Chunked = true
		}
	}
	if length != "" && !h.Chunked {
		h.Length, _ = strconv.ParseInt(length, 10, 64) // cannot fail: few digits
	}
	if h.Method == http.MethodConnect && (h.Chunked || h.Length > 0) {
		return BadRequest("A CONNECT request has no body.")
	}
	return h.checkTrailer(fields)
}

// checkTrailer refuses the announcement of trailers that concern the length of the body (RFC 9110 6.5.1).
func (h *RequestHead) checkTrailer(fields []Field) *Error {
	for _, f := range fields {
		if !h.Chunked || !f.is("Trailer") {
			continue
		}
		for name := range strings.SplitSeq(f.Value, ",") {
			announced := Field{Name: strings.Trim(name, " \t")}
			if announced.is("Transfer-Encoding") || announced.is("Content-Length") || announced.is("Trailer") {
				return BadRequest("The request announces the trailer %q, which cannot be one.", announced.Name)
			}
		}
	}
	return nil
}

// write sets Text.
func (h *RequestHead) write(fields []Field, minor int) {
	size := len(h.Method) + len(" / HTTP/1.0\r\nConnection: close\r\n\r\n")
	for _, f := range fields {
		size += len(f.Name) + len(": \r\n") + len(f.Value)
	}
	text := fmt.Appendf(make([]byte, 0, size), "%s / HTTP/1.%d\r\n", h.Method, minor)
	bothLengths, written := false, false
	for _, f := range fields {
		if f.is("Content-Length") {
			if bothLengths = bothLengths || h.Chunked; h.Chunked || written {
				continue
			}
			written = true
		}
		text = fmt.Appendf(text, "%s: %s\r\n", f.Name, f.Value)
	}
	if bothLengths { // RFC 9112 6.1: no request after this one can be trusted
		text = append(text, "Connection: close\r\n"...)
	}
	h.Text = append(text, "\r\n"...)
}

// HeadEnd returns the length of the head at the beginning of p, including the empty line, or 0 if p does not contain its
// end. It does not search before from.
func HeadEnd(p []byte, from int) int {
	for {
		i := bytes.IndexByte(p[from:], '\n')
		if i < 0 {
			return 0
		}
		from += i + 1
		switch rest := p[from:]; {
		case bytes.HasPrefix(rest, []byte("\n")):
			return from + 1
		case bytes.HasPrefix(rest, []byte("\r\n")):
			return from + 2
		}
	}
}

// hostBytes are the bytes that a Host header may contain (RFC 3986 3.2.2); net/http accepts no others.
const hostBytes = letters + "0123456789" + "-._~" + "!$&'()*+,;=" + ":[]%"

// tokenBytes are the bytes that a method and the name of a field may contain (RFC 9110 5.6.2).
const tokenBytes = letters + "0123456789" + "!#$%&'*+-.^_`|~"

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

func isToken(s string) bool { return s != "" && strings.Trim(s, tokenBytes) == "" }

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// ParseChunkSize parses the line before a chunk, and reports whether it is valid. Chunk extensions are for this hop
// only, and are dropped.
func ParseChunkSize(line []byte) (int64, bool) {
	text, ok := strings.CutSuffix(string(line), "\r\n")
	digits, _, extended := strings.Cut(text, ";")
	digits = strings.TrimRight(digits, " \t")
	if !ok || digits == "" || len(digits) > 15 || strings.Trim(digits, "0123456789abcdefABCDEF") != "" ||
		hasControl(strings.ReplaceAll(text, "\t", " ")) || !extended && len(digits) != len(strings.TrimRight(text, " \t")) {
		return 0, false
	}
	size, err := strconv.ParseInt(digits, 16, 64)
	return size, err == nil && size < math.MaxInt64
}
