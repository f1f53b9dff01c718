package proxy

import (
	"io"
	"net/http"
	"strconv"

	"fairlead/proxy/browser"
	"fairlead/proxy/http1"
)

// badRequest answers a request that no proxy can serve.
func badRequest(w http.ResponseWriter, r *http.Request, text string) {
	sayHTTP(w, r, Answer{Status: http.StatusBadRequest, Text: oneLine(text), ProxyStatus: "http_request_error"})
}

// answerTo returns the answer to a request that no proxy can serve.
func answerTo(e *http1.Error) Answer {
	return Answer{Status: e.Status, Text: oneLine(e.Text), ProxyStatus: "http_request_error"}
}

// sayHTTP answers with one line of text, or with a page where the client would rather have one.
func sayHTTP(w http.ResponseWriter, r *http.Request, answer Answer) {
	if answer.Public != "" && browser.PageMayRead(r) {
		answer.Text = answer.Public
	}
	header, body := answerHeader(w.Header(), answer), answer.Text+"\n"
	header.Set("Cross-Origin-Resource-Policy", "same-origin") // for other origins, the request fails
	if answer.Page != "" {
		header.Set("Vary", "Accept")
		if browser.AcceptsHTML(r) {
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
		header.Set("Proxy-Status", http1.ProxyStatus(answer.ProxyStatus, answer.Text))
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
