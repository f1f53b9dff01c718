package upstream

import (
	"bufio"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"

	"fairlead/proxy/safetext"
)

const (
	maxHead    = 64 << 10 // bytes of the head of an answer to CONNECT
	maxInterim = 5        // answers (1xx) before the final one

	maxBody  = 8 << 10                // bytes that are read of an answer's body
	maxWords = 160                    // bytes of it that errors repeat
	bodyWait = 500 * time.Millisecond // for the body
)

// authorization returns the header with the credentials for an HTTP proxy.
func authorization(user *url.Userinfo) http.Header {
	if user == nil {
		return http.Header{}
	}
	request := http.Request{Header: http.Header{}}
	password, _ := user.Password()
	request.SetBasicAuth(user.Username(), password)
	return http.Header{"Proxy-Authorization": request.Header["Authorization"]}
}

// connectHTTP asks an HTTP proxy for a tunnel.
func (d Dialer) connectHTTP(conn net.Conn, user *url.Userinfo, address string) error {
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: authorization(user)}
	request.Header.Set("User-Agent", d.UserAgent)
	if err := request.Write(conn); err != nil {
		return err
	}
	head := bufio.NewReader(&byteReader{io.LimitedReader{R: conn, N: maxHead}})
	for range maxInterim + 1 {
		response, err := http.ReadResponse(head, request)
		switch {
		case err != nil:
			return fmt.Errorf("answer to CONNECT: %w", err)
		case response.StatusCode/100 == 2:
			return nil
		case response.StatusCode/100 != 1:
			host, _, _ := net.SplitHostPort(address)
			_ = conn.SetReadDeadline(time.Now().Add(bodyWait))
			return refusal(response, host)
		}
	}
	return errors.New("too many interim answers to CONNECT")
}

// A byteReader reads one byte at a time, so that a bufio.Reader does not read beyond the head.
type byteReader struct{ io.LimitedReader }

func (r *byteReader) Read(p []byte) (int, error) { return r.LimitedReader.Read(p[:min(1, len(p))]) }

// refusal returns the error for an answer to CONNECT that refuses a tunnel to host.
func refusal(response *http.Response, host string) error {
	status := response.StatusCode
	said := &answer{problem: Denies, text: strings.TrimSpace(fmt.Sprintf("CONNECT was answered with %d %s", status, http.StatusText(status)))}
	words := reason(response)
	if words != "" {
		said.text += " (" + words + ")"
	}
	switch {
	case status == http.StatusProxyAuthRequired, status == http.StatusUnauthorized:
		said.problem = Login
	case status >= http.StatusInternalServerError:
		said.problem = Beyond
	}
	said.word = word(status, response.Header.Get("Proxy-Status"), host)
	if said.problem == Beyond {
		if word := errorOfText(response.Header.Get("X-Squid-Error")+" "+words, host); word != nil {
			said.word = word
		}
	}
	return said
}

// errorOfText returns the error of package net for a text in which an HTTP proxy says why it cannot reach a target, as
// squid and programs written in Go do; nil if there is none.
func errorOfText(text, host string) error {
	for _, row := range []struct {
		says string
		word error
	}{
		{"ERR_DNS_FAIL", &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}},
		{"no such host", &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}},
		{"ERR_CONNECT_FAIL 111", syscall.ECONNREFUSED},
		{"connection refused", syscall.ECONNREFUSED},
		{"ERR_CONNECT_FAIL 110", os.ErrDeadlineExceeded},
		{"i/o timeout", os.ErrDeadlineExceeded},
	} {
		if strings.Contains(text, row.says) {
			return row.word
		}
	}
	return nil
}

var (
	title  = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)
	hidden = regexp.MustCompile(`(?is)<(?:script|style|head)\b.*?</(?:script|style|head)>|<!--.*?-->`)
	markup = regexp.MustCompile(`(?s)<[^>]*>?`)
)

// reason returns the reason that an HTTP proxy gives: the text of a plain body, or the title of a page, in one line of
// at most maxWords bytes.
func reason(response *http.Response) string {
	body, _ := io.ReadAll(io.LimitReader(response.Body, maxBody)) // what arrives in time
	text := string(body)
	switch kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")); {
	case strings.Contains(kind, "html"):
		if found := title.FindStringSubmatch(text); found != nil {
			text = found[1]
		} else {
			text = hidden.ReplaceAllString(text, " ")
		}
		text = html.UnescapeString(markup.ReplaceAllString(text, " "))
	case kind != "text/plain" && kind != "":
		return ""
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	text = safetext.Mask(safetext.Clean(text))
	if text == http.StatusText(response.StatusCode) || strings.HasPrefix(text, "<") {
		return ""
	}
	if len(text) > maxWords {
		text = strings.ToValidUTF8(text[:maxWords], "") + "…"
	}
	return text
}

// word returns the error of package net for an answer to CONNECT, by the error type of RFC 9209 if it has one; nil if
// there is none.
func word(status int, proxyStatus, host string) error {
	switch {
	case strings.Contains(proxyStatus, "error=dns_error"), strings.Contains(proxyStatus, "error=destination_not_found"):
		return &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	case strings.Contains(proxyStatus, "error=connection_refused"):
		return syscall.ECONNREFUSED
	}
	switch status {
	case http.StatusForbidden, http.StatusProxyAuthRequired, http.StatusUnauthorized, http.StatusUnavailableForLegalReasons:
		return fs.ErrPermission
	case http.StatusGatewayTimeout:
		return os.ErrDeadlineExceeded
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusNotFound:
		return syscall.EHOSTUNREACH
	}
	return nil
}
