package forwardproxy

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/proxy"

	"fairlead/kube/fault"
	"fairlead/proxy/safetext"
)

const (
	maxHead    = 64 << 10 // bytes of the answers to CONNECT
	maxInterim = 5        // answers (1xx) before the final one
)

// connect asks an HTTP proxy for a tunnel.
func connect(_ context.Context, conn net.Conn, via *url.URL, address string) error {
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{"User-Agent": {""}}}
	if via.User != nil {
		password, _ := via.User.Password()
		pair := base64.StdEncoding.EncodeToString([]byte(via.User.Username() + ":" + password))
		request.Header.Set("Proxy-Authorization", "Basic "+pair)
	}
	if err := request.Write(conn); err != nil {
		return err
	}
	head := bufio.NewReader(&byteReader{io.LimitedReader{R: conn, N: maxHead}})
	for range maxInterim + 1 {
		response, err := http.ReadResponse(head, request)
		if err != nil {
			// It may quote a proxy that repeats the request.
			return safetext.Error(fmt.Errorf("answer to CONNECT: %w", err), safetext.Credentials(request.Header)...)
		}
		if response.StatusCode >= http.StatusOK {
			return judge(response.StatusCode)
		}
	}
	return errors.New("too many interim answers to CONNECT")
}

// A byteReader reads one byte at a time, so that a bufio.Reader takes nothing from the connection that follows the head.
type byteReader struct{ io.LimitedReader }

func (r *byteReader) Read(p []byte) (int, error) { return r.LimitedReader.Read(p[:min(1, len(p))]) }

// judge returns what the status of an answer to CONNECT means.
func judge(status int) error {
	said := &answer{fault.ProxyDenies, strings.TrimSpace(fmt.Sprintf("CONNECT was answered with %d %s", status, http.StatusText(status)))}
	switch {
	case status < http.StatusMultipleChoices:
		return nil
	case status == http.StatusProxyAuthRequired, status == http.StatusUnauthorized:
		said.problem = fault.ProxyLogin
	case status >= http.StatusInternalServerError:
		said.problem = fault.ProxyBeyond
	}
	return said
}

// socks asks a SOCKS5 proxy for a tunnel.
func socks(ctx context.Context, conn net.Conn, via *url.URL, address string) error {
	var auth *proxy.Auth
	if via.User != nil {
		password, _ := via.User.Password()
		auth = &proxy.Auth{User: via.User.Username(), Password: password}
	}
	dialer, err := proxy.SOCKS5("tcp", Address(via), auth, given{conn})
	if err != nil {
		return err
	}
	_, err = dialer.(proxy.ContextDialer).DialContext(ctx, "tcp", address)
	if op, ok := errors.AsType[*net.OpError](err); ok && strings.HasPrefix(op.Op, "socks") {
		return socksAnswer(op.Err)
	}
	return err
}

// socksAnswer returns the answer that an error of x/net's SOCKS client stands for, whose text is all that it has, or the error.
func socksAnswer(err error) error {
	text := err.Error()
	reply, isReply := strings.CutPrefix(text, "unknown error ")
	problem := fault.ProxyBeyond
	switch {
	case isReply && strings.Contains(reply, "not allowed"):
		problem = fault.ProxyDenies
	case isReply && strings.Contains(reply, "not supported"):
		return err
	case isReply:
		text = reply
	case strings.Contains(text, "authentication"):
		problem = fault.ProxyLogin
	default:
		return err
	}
	return &answer{problem, text}
}

// given is a dialer that hands out one connection.
type given struct{ net.Conn }

func (g given) Dial(string, string) (net.Conn, error) { return g.Conn, nil }

func (g given) DialContext(context.Context, string, string) (net.Conn, error) { return g.Conn, nil }
