package konnectivity

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"fairlead/kube/fault"
	"fairlead/proxy/stream"
	"fairlead/proxy/upstream"
)

// maxAnswer bounds the answer to CONNECT, in bytes.
const maxAnswer = 16 << 10

// httpConnect asks a server in the mode http-connect.
type httpConnect struct {
	config Config
	server string // for errors
}

// open asks for a connection.
func (h *httpConnect) open(ctx context.Context, address string) (net.Conn, error) {
	conn, err := h.connect(ctx)
	if err != nil {
		return nil, h.unusable(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	early, err := h.ask(conn, address)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
		return withEarly(conn, early), nil
	}
	_ = conn.Close()
	if errors.As(err, new(*fault.Konnectivity)) && ctx.Err() == nil {
		return nil, err
	}
	return nil, h.unusable(ctx, err)
}

// withEarly returns conn with bytes that were read from it before, which are read again first.
func withEarly(conn net.Conn, early []byte) net.Conn {
	if len(early) == 0 {
		return conn
	}
	r := bufio.NewReaderSize(bytes.NewReader(early), len(early))
	_, _ = r.Peek(len(early))
	return stream.Unread(conn, r)
}

// connect returns a connection to the server, inside TLS if its scheme is https.
func (h *httpConnect) connect(ctx context.Context) (net.Conn, error) {
	var dialer net.Dialer
	if h.config.Server.Scheme == "unix" {
		return dialer.DialContext(ctx, "unix", h.config.Server.Path)
	}
	var secured *tls.Config
	if h.config.Server.Scheme == "https" && h.config.TLS != nil {
		var err error
		if secured, err = h.config.TLS(); err != nil {
			return nil, err
		}
	}
	via := upstream.Proxy{URL: &url.URL{Scheme: h.config.Server.Scheme, Host: address(h.config.Server)}, TLS: secured}
	return upstream.Dialer{DialContext: dialer.DialContext, Abrupt: true}.DialProxy(ctx, via)
}

// unusable returns the error of a server that cannot be used.
func (h *httpConnect) unusable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if machine := fault.OfMachine(err); machine != nil {
		return machine
	}
	refused := false
	if proxy, ok := errors.AsType[*upstream.Error](err); ok {
		err, refused = proxy.Err, proxy.Problem == upstream.Certificate
	}
	e := &fault.Konnectivity{Server: h.server, Err: err}
	if refused || isCertificateAlert(err) {
		e.Problem = fault.KonnectivityCertificate
	}
	return e
}

// isCertificateAlert reports whether a server refused the client's certificate, or the lack of one. With TLS 1.3 the alert
// comes with the first read, after the handshake.
func isCertificateAlert(err error) bool {
	alert, ok := errors.AsType[tls.AlertError](err)
	if ok {
		switch uint8(alert) {
		case 42, 43, 44, 45, 46, 48, 49, 116: // from bad_certificate to certificate_unknown, unknown_ca, access_denied, certificate_required
			return true
		}
	}
	remote, ok := errors.AsType[*net.OpError](err)
	return ok && remote.Op == "remote error" && alertNames[remote.Err.Error()]
}

// alertNames are the texts of package crypto/tls for these alerts.
var alertNames = map[string]bool{
	"tls: bad certificate": true, "tls: unsupported certificate": true, "tls: revoked certificate": true, "tls: expired certificate": true,
	"tls: unknown certificate": true, "tls: unknown certificate authority": true, "tls: access denied": true, "tls: certificate required": true,
}

// ask sends CONNECT and reads the answer. It also returns the bytes of the target that came before the answer.
func (h *httpConnect) ask(conn net.Conn, address string) (early []byte, err error) {
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	request.Header.Set("User-Agent", "fairlead")
	writeErr := request.Write(conn) // a server that has refused the certificate says so to a read
	first := make([]byte, len(protocol))
	for n := range first {
		if _, err := io.ReadFull(conn, first[n:n+1]); err != nil {
			return nil, fmt.Errorf("answer to CONNECT: %w", errors.Join(err, writeErr))
		}
		if first[n] != protocol[n] {
			return overtaken(conn, first[:n+1])
		}
	}
	head := io.MultiReader(bytes.NewReader(first), &io.LimitedReader{R: conn, N: maxAnswer})
	response, err := http.ReadResponse(bufio.NewReader(byteReader{head}), request)
	if err != nil {
		return nil, fmt.Errorf("answer to CONNECT: %w", err)
	}
	if response.StatusCode/100 == 2 {
		return nil, nil
	}
	// The text ends with the connection. A server that keeps it open must not hold up the answer.
	_ = conn.SetReadDeadline(time.Now().Add(textTimeout))
	text, _ := io.ReadAll(io.LimitReader(response.Body, maxText))
	return nil, refusal(h.server, response.StatusCode, string(text))
}

const (
	protocol    = "HTTP/"
	established = "HTTP/1.1 200 Connection Established\r\n\r\n"
	// maxOvertaken bounds what may come before the answer, in bytes.
	maxOvertaken = 4 << 20
)

// overtaken reads an answer that bytes of the target came before. A Konnectivity server writes the two from two
// goroutines, so those of a target that speaks first may be the first. read is what was read so far. The answer has to
// follow exactly as the server writes it: otherwise something other than a Konnectivity server may have answered.
func overtaken(conn net.Conn, read []byte) (early []byte, err error) {
	part := make([]byte, 32<<10)
	for searched := 0; len(read) < maxOvertaken; {
		n, err := conn.Read(part)
		read = append(read, part[:n]...)
		if at := bytes.Index(read[searched:], []byte(established)); at >= 0 {
			at += searched
			return slices.Delete(read, at, at+len(established)), nil
		}
		if err != nil {
			return nil, fmt.Errorf("answer to CONNECT, after %d other bytes: %w", len(read), err)
		}
		searched = max(0, len(read)-len(established))
	}
	return nil, errors.New("the answer to CONNECT is not HTTP")
}

const (
	textTimeout = 2 * time.Second
	maxText     = 2 << 10
)

// A byteReader reads one byte at a time, so that a bufio.Reader takes nothing from the connection that follows the head.
type byteReader struct{ io.Reader }

func (r byteReader) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(1, len(p))]) }
