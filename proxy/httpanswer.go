package proxy

import (
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"fairlead/proxy/http1"
)

// statusInternal is the error type of RFC 9209 for what has no better one.
const statusInternal = "proxy_internal_error"

const maxDetails = 300 // bytes, of a Proxy-Status

// badRequest answers a request that no proxy can serve.
func badRequest(w http.ResponseWriter, r *http.Request, text string) {
	sayHTTP(w, r, Answer{Status: http.StatusBadRequest, Text: oneLine(text), ProxyStatus: "http_request_error"})
}

// answerTo returns what the client of a request is told that no proxy can serve.
func answerTo(e *http1.Error) Answer {
	return Answer{Status: e.Status, Text: oneLine(e.Text), ProxyStatus: "http_request_error"}
}

// sayHTTP answers with one line of text, or with a page where the client would rather have one.
func sayHTTP(w http.ResponseWriter, r *http.Request, answer Answer) {
	if answer.Public != "" && fromBrowser(r) {
		answer.Text = answer.Public
	}
	header, body := answerHeader(w.Header(), answer), answer.Text+"\n"
	header.Set("Cross-Origin-Resource-Policy", "same-origin") // for other origins, the request fails
	if answer.Page != "" {
		header.Set("Vary", "Accept")
		if acceptsHTML(r) {
			header.Set("Content-Type", "text/html; charset=utf-8")
			confine(header)
			body = answer.Page
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(answer.Status)
	_, _ = io.WriteString(w, body) // a client that is gone is net/http's to notice
}

// answerHeader makes header that of an answer of the proxy's own, with one line of text.
func answerHeader(header http.Header, answer Answer) http.Header {
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	if answer.ProxyStatus != "" {
		header.Set("Proxy-Status", proxyStatus(answer))
	}
	return header
}

// confine keeps an HTML document of ours from loading anything, running anything, and being framed: an error page stands
// under the name of the host that was asked for.
func confine(header http.Header) {
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Referrer-Policy", "no-referrer")
}

// proxyStatus is the value of Proxy-Status for an answer (RFC 9209 section 2), a structured field of RFC 9651.
func proxyStatus(answer Answer) string {
	return http1.Pseudonym + "; error=" + answer.ProxyStatus + "; details=" + sfString(answer.Text)
}

// sfString writes text as a String of RFC 9651 section 3.3.3, which is ASCII without control characters.
func sfString(text string) string {
	var quoted strings.Builder
	quoted.WriteByte('"')
	for _, c := range text {
		switch {
		case quoted.Len() >= maxDetails:
			quoted.WriteString("...")
			quoted.WriteByte('"')
			return quoted.String()
		case c == '\u201c' || c == '\u201d': // of a command to paste
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

// isErrorType tells whether word has the form of the error types that RFC 9209 section 2.3 registers.
func isErrorType(word string) bool {
	return word != "" && len(word) <= 64 && strings.Trim(word, "abcdefghijklmnopqrstuvwxyz_") == "" && word[0] != '_'
}

// fromBrowser reports whether a web page may be able to read the answer to a request. A page reads the answers of its own
// origin: its server can fail whenever it likes, and the page's script then reads what the proxy says of the failure. Over
// plain HTTP no single field marks such a request: browsers omit Fetch Metadata, and a GET to the page's own origin has no
// Origin. So any field that browsers send by themselves counts. A script can change some of them, but it can remove
// neither Accept-Encoding, which scripts may not set (Fetch, "forbidden request-header"), nor Accept-Language. A client
// that sends none of them, such as curl, is no browser.
func fromBrowser(r *http.Request) bool {
	for _, name := range []string{"Accept-Encoding", "Accept-Language", "Origin", "Referer", "Upgrade-Insecure-Requests"} {
		if _, sent := r.Header[name]; sent {
			return true
		}
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "Sec-") {
			return true
		}
	}
	return strings.Contains(r.UserAgent(), "Mozilla/")
}

// acceptsHTML tells whether a client names HTML among what it can show, as browsers do. */* does not name it.
func acceptsHTML(r *http.Request) bool {
	for _, line := range r.Header.Values("Accept") {
		for _, part := range strings.Split(line, ",") {
			kind, parameters, err := mime.ParseMediaType(part)
			if err != nil || kind != "text/html" && kind != "application/xhtml+xml" {
				continue
			}
			if quality, err := strconv.ParseFloat(parameters["q"], 64); err != nil || quality > 0 {
				return true
			}
		}
	}
	return false
}
