package proxy

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// A requestHead is the request line and the header of a client's request. It is read before net/http reads it, for two
// reasons: the target is carried as the client wrote it (RFC 9110 7.7), and net/http knows only targets that package
// net/url can parse; and what is refused is answered with a sentence.
//
// Text is for net/http. It has a target that says nothing, and only one way to be read: every line ends with CRLF, no
// line is folded, and the body has one length.
type requestHead struct {
	method  string
	target  string // byte for byte
	text    []byte
	length  int64 // of the body
	chunked bool  // the body's length is not known
	refused *requestError
	silent  bool // with refused: a web page may have made a browser send it, and it is not answered
}

// A requestError is a request that no proxy can serve, whatever its target.
type requestError struct {
	status int
	text   string
}

func (e *requestError) Error() string { return e.text }

func badHead(format string, args ...any) *requestError {
	return &requestError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// answer returns what the client is told.
func (e *requestError) answer() Answer {
	return Answer{Status: e.status, Text: oneLine(e.text), ProxyStatus: "http_request_error"}
}

// A field is a line of a header.
type field struct{ name, value string }

func (f field) is(name string) bool { return strings.EqualFold(f.name, name) }

// errHeadTooLarge is a head that does not end within maxHeader.
var errHeadTooLarge = &requestError{
	http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("The head of the request is larger than %d KiB.", maxHeader>>10),
}

// maxFields bounds the lines of a header. Net/http keeps each of them in a table, where a few bytes cost more than a hundred.
const maxFields = 256

// errTooManyFields is a header of more than maxFields lines.
var errTooManyFields = &requestError{
	http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("The request has more than %d header fields.", maxFields),
}

// parseHead reads a head up to the empty line that ends it.
func parseHead(raw []byte) *requestHead {
	line, rest, _ := bytes.Cut(raw, []byte("\n"))
	h, minor, err := parseRequestLine(string(bytes.TrimSuffix(line, []byte("\r"))))
	if err != nil {
		return refuseHead(raw, err)
	}
	fields, err := parseFields(rest)
	if err != nil {
		return refuseHead(raw, err)
	}
	for _, check := range []func([]field, int) *requestError{checkHost, checkExpect, h.findLength} {
		if err := check(fields, minor); err != nil {
			return refuseHead(raw, err)
		}
	}
	if h.write(fields, minor); len(h.text) > maxHeader {
		return refuseHead(raw, errHeadTooLarge)
	}
	return h
}

// refuseHead returns a head in the place of raw that net/http takes and that is answered with err. It is the client's
// last.
func refuseHead(raw []byte, err *requestError) *requestHead {
	asked, rest, _ := strings.Cut(string(raw[:min(len(raw), maxShape)]), " ")
	method := http.MethodGet
	if asked == http.MethodHead { // the answer to which has no body
		method = asked
	}
	return &requestHead{
		method: method, refused: err, silent: isOriginForm(strings.TrimLeft(rest, " ")),
		text: []byte(method + " / HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n"),
	}
}

// maxShape is how much of a head tells the form of its target.
const maxShape = 64

// isOriginForm reports whether a target has the form in which servers are asked, and no proxy (RFC 9112 3.2.1). It is the
// only one that a web page can make a browser send to a port of its choice.
func isOriginForm(target string) bool { return strings.HasPrefix(target, "/") }

// parseRequestLine reads "METHOD TARGET HTTP/1.1" (RFC 9112 3). The target may have any byte that is no space and no
// control character: what it means is between the client and the server.
func parseRequestLine(line string) (*requestHead, int, *requestError) {
	parts := strings.Split(line, " ")
	if hasControl(line) {
		return nil, 0, badHead("The request line has a control character in it: a target has them encoded, as %%0A.")
	}
	version := parts[len(parts)-1]
	digits, known := strings.CutPrefix(version, "HTTP/")
	known = known && len(digits) == 3 && digits[1] == '.' && isDigits(digits[:1]) && isDigits(digits[2:])
	switch {
	case len(parts) < 3 || !known || !isToken(parts[0]) || parts[1] == "":
		return nil, 0, badHead("The request line is none of HTTP/1.1: it has a method, a target and the version.")
	case len(parts) > 3:
		return nil, 0, badHead("The request line has too many spaces in it: a target has them encoded, as %%20.")
	case digits[0] != '1':
		return nil, 0, &requestError{http.StatusHTTPVersionNotSupported, "This proxy speaks HTTP/1.1, and the request is one of " + version + "."}
	}
	minor := 1
	if digits == "1.0" {
		minor = 0
	}
	return &requestHead{method: parts[0], target: parts[1]}, minor, nil
}

// parseFields reads the lines of a header, or of a trailer, up to the empty one.
func parseFields(raw []byte) ([]field, *requestError) {
	var fields []field
	for n := 1; ; n++ {
		line, rest, found := bytes.Cut(raw, []byte("\n"))
		text := string(bytes.TrimSuffix(line, []byte("\r")))
		raw = rest
		name, value, colon := strings.Cut(text, ":")
		folded := text != "" && (text[0] == ' ' || text[0] == '\t')
		switch {
		case text == "" || !found:
			return fields, nil
		case n > maxFields:
			return nil, errTooManyFields
		case hasControl(strings.ReplaceAll(text, "\t", " ")):
			return nil, badHead("Line %d of the request's header has a control character in it.", n)
		case folded && len(fields) > 0: // RFC 9112 5.2
			last := &fields[len(fields)-1]
			last.value = strings.Trim(last.value+" "+strings.Trim(text, " \t"), " ")
		case !colon || !isToken(name):
			return nil, badHead("Line %d of the request's header is not \u201cName: value\u201d.", n)
		default:
			fields = append(fields, field{name, strings.Trim(value, " \t")})
		}
	}
}

// checkHost wants one Host, as RFC 9112 3.2 does. What it names does not matter to a proxy, which goes by the target.
func checkHost(fields []field, minor int) *requestError {
	hosts := 0
	for _, f := range fields {
		if f.is("Host") {
			if hosts++; strings.Trim(f.value, hostBytes) != "" {
				return badHead("The request's Host header is malformed.")
			}
		}
	}
	switch {
	case hosts > 1:
		return badHead("The request has more than one Host header.")
	case hosts == 0 && minor > 0:
		return badHead("The request has no Host header, which HTTP/1.1 wants.")
	}
	return nil
}

// checkExpect refuses what this proxy would have to do for the client and cannot (RFC 9110 10.1.1).
func checkExpect(fields []field, _ int) *requestError {
	for _, f := range fields {
		if f.is("Expect") && !strings.EqualFold(f.value, "100-continue") {
			return &requestError{http.StatusExpectationFailed, "The request expects something of this proxy that is not 100-continue."}
		}
	}
	return nil
}

// findLength finds out how the body ends (RFC 9112 6.3), and refuses what somebody might read in another way.
func (h *requestHead) findLength(fields []field, minor int) *requestError {
	var length string
	for _, f := range fields {
		switch {
		case f.is("Content-Length"):
			if !isDigits(f.value) || len(f.value) > 18 || length != "" && f.value != length {
				return badHead("The request's Content-Length is malformed, or there are several.")
			}
			length = f.value
		case f.is("Transfer-Encoding") && minor == 0:
			return badHead("The request has a Transfer-Encoding, which HTTP/1.0 does not know.")
		case f.is("Transfer-Encoding") && (h.chunked || !strings.EqualFold(f.value, "chunked")):
			return &requestError{http.StatusNotImplemented, "This proxy knows no Transfer-Encoding but \u201cchunked\u201d."}
		case f.is("Transfer-Encoding"):
			h.chunked = true
		}
	}
	if length != "" && !h.chunked {
		h.length, _ = strconv.ParseInt(length, 10, 64) // digits, and few enough
	}
	if h.method == http.MethodConnect && (h.chunked || h.length > 0) {
		return badHead("A CONNECT request has no body.")
	}
	return h.checkTrailer(fields)
}

// checkTrailer refuses to announce trailers that would say something of the body's length (RFC 9110 6.5.1).
func (h *requestHead) checkTrailer(fields []field) *requestError {
	for _, f := range fields {
		if !h.chunked || !f.is("Trailer") {
			continue
		}
		for name := range strings.SplitSeq(f.value, ",") {
			announced := field{name: strings.Trim(name, " \t")}
			if announced.is("Transfer-Encoding") || announced.is("Content-Length") || announced.is("Trailer") {
				return badHead("The request announces a trailer %q, which is none.", announced.name)
			}
		}
	}
	return nil
}

// write fills in text.
func (h *requestHead) write(fields []field, minor int) {
	size := len(h.method) + len(" / HTTP/1.0\r\nConnection: close\r\n\r\n")
	for _, f := range fields {
		size += len(f.name) + len(": \r\n") + len(f.value)
	}
	text := fmt.Appendf(make([]byte, 0, size), "%s / HTTP/1.%d\r\n", h.method, minor)
	twice, written := false, false
	for _, f := range fields {
		if f.is("Content-Length") {
			if twice = twice || h.chunked; h.chunked || written {
				continue
			}
			written = true
		}
		text = fmt.Appendf(text, "%s: %s\r\n", f.name, f.value)
	}
	if twice { // RFC 9112 6.1: no request after it may be believed
		text = append(text, "Connection: close\r\n"...)
	}
	h.text = append(text, "\r\n"...)
}

// headEnd returns the length of the head with which p begins, up to and with the empty line, and 0 when there is no end
// of it at or after from.
func headEnd(p []byte, from int) int {
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

// hostBytes may stand in a Host header (RFC 3986 3.2.2), and net/http takes no other.
const hostBytes = letters + "0123456789" + "-._~" + "!$&'()*+,;=" + ":[]%"

// tokenBytes may stand in a method and in the name of a field (RFC 9110 5.6.2).
const tokenBytes = letters + "0123456789" + "!#$%&'*+-.^_`|~"

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

func isToken(s string) bool { return s != "" && strings.Trim(s, tokenBytes) == "" }

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
