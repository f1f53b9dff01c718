package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"fairlead/proxy/stream"
)

// A certificateRequest records whether a proxy has asked for a client certificate in its handshake, and whether it got
// one. With TLS 1.3 the client's handshake ends before the proxy has judged the certificate, so that a refusal is only
// seen at the first read.
type certificateRequest struct{ asked, shown bool }

// watch makes handshakes with config record the request in r.
func (r *certificateRequest) watch(config *tls.Config) {
	own, choose := config.Certificates, config.GetClientCertificate
	config.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		chosen := &tls.Certificate{}
		var err error
		if choose != nil {
			chosen, err = choose(info)
		} else if at := slices.IndexFunc(own, func(c tls.Certificate) bool { return info.SupportsCertificate(&c) == nil }); at >= 0 {
			chosen = &own[at]
		} else if len(own) > 0 {
			// The proxy may accept an authority that it does not name.
			chosen = &own[0]
		}
		r.asked, r.shown = true, err == nil && len(chosen.Certificate) > 0
		return chosen, err
	}
}

// isAlert reports whether a TLS server ended a connection by an alert that may be about the client's certificate (RFC
// 8446, section 6.2). Package tls exports no type for the alerts of a server.
func isAlert(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "remote error" {
		return false
	}
	text := op.Err.Error()
	return strings.Contains(text, "certificate") || strings.Contains(text, "handshake failure") || strings.Contains(text, "access denied")
}

// endings are the errors from a connection that a server ended without an alert.
var endings = []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE}

// alertWait bounds the wait for an alert that arrived before the connection broke.
const alertWait = 100 * time.Millisecond

// alert returns the alert with which the proxy ended the connection, or err. A proxy that refuses a certificate closes the
// connection at once, so that a write may fail before its alert has been read.
func (r *certificateRequest) alert(conn net.Conn, err error) error {
	op, ok := errors.AsType[*net.OpError](err)
	if !r.asked || !ok || op.Op != "write" {
		return err
	}
	_ = conn.SetReadDeadline(time.Now().Add(alertWait)) // fails only on a closed connection, as does the read
	if _, readErr := conn.Read(make([]byte, 1)); isAlert(readErr) {
		return readErr
	}
	return err
}

// explain returns an *answer if err is how the proxy refuses the client certificate or the lack of one, and err otherwise.
func (r *certificateRequest) explain(err error) error {
	ended := slices.ContainsFunc(endings, func(ending error) bool { return errors.Is(err, ending) })
	switch {
	case !r.asked || errors.As(err, new(*answer)):
	case !r.shown && (ended || isAlert(err)):
		return &answer{Certificate, "it wants a client certificate", fs.ErrPermission}
	case r.shown && isAlert(err):
		op, _ := errors.AsType[*net.OpError](err)
		return &answer{Certificate, fmt.Sprintf("it does not accept the client certificate (%v)", op.Err), fs.ErrPermission}
	}
	return err
}

// secure performs the TLS handshake with a proxy.
func (d Dialer) secure(ctx context.Context, conn net.Conn, via Proxy, asked *certificateRequest) (net.Conn, error) {
	config := &tls.Config{}
	if via.TLS != nil {
		config = via.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = via.URL.Hostname()
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	config.NextProtos = []string{"http/1.1"}
	asked.watch(config)
	secured := stream.NewTLS(tls.Client(conn, config), conn)
	secured.Abrupt = d.Abrupt
	return secured, secured.HandshakeContext(ctx)
}

// An unconfirmed is a connection to a proxy that has asked for a client certificate, and may still refuse it.
type unconfirmed struct {
	*stream.TLS
	via   Proxy
	asked certificateRequest

	heard   atomic.Bool // the proxy has sent something
	refused atomic.Pointer[Error]
}

// Read reads what the proxy sent. If it sent nothing but a refusal of the certificate, the error is an *Error.
func (c *unconfirmed) Read(p []byte) (int, error) {
	n, err := c.TLS.Read(p)
	if n > 0 {
		c.heard.Store(true)
	}
	if err == nil || c.heard.Load() {
		return n, err
	}
	if refusal, ok := errors.AsType[*answer](c.asked.explain(err)); ok {
		c.refused.CompareAndSwap(nil, &Error{Proxy: Address(c.via.URL), Name: c.via.Name, Problem: refusal.problem, Err: refusal})
		return n, c.refused.Load()
	}
	return n, err
}

// Opened returns the proxy's refusal of the certificate, if there was one.
func (c *unconfirmed) Opened(context.Context) error {
	if refused := c.refused.Load(); refused != nil {
		return refused
	}
	return nil
}
