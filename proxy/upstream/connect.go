package upstream

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
)

const (
	maxHead    = 64 << 10 // bytes of the answers to CONNECT
	maxInterim = 5        // answers (1xx) before the final one
)

// authorization returns the header with which an HTTP proxy is given credentials.
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
			return refusal(response, host)
		}
	}
	return errors.New("too many interim answers to CONNECT")
}

// A byteReader reads one byte at a time, so that a bufio.Reader takes nothing from the connection that follows the head.
type byteReader struct{ io.LimitedReader }

func (r *byteReader) Read(p []byte) (int, error) { return r.LimitedReader.Read(p[:min(1, len(p))]) }

// refusal returns what an answer to CONNECT means that grants no tunnel to host.
func refusal(response *http.Response, host string) error {
	status := response.StatusCode
	said := &answer{problem: Denies, text: strings.TrimSpace(fmt.Sprintf("CONNECT was answered with %d %s", status, http.StatusText(status)))}
	switch {
	case status == http.StatusProxyAuthRequired, status == http.StatusUnauthorized:
		said.problem = Login
	case status >= http.StatusInternalServerError:
		said.problem = Beyond
	}
	said.word = word(status, response.Header.Get("Proxy-Status"), host)
	return said
}

// word returns package net's word for an answer to CONNECT, by the error type of RFC 9209 if it has one; nil for none.
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
