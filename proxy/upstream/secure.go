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

// watch makes config record the request.
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
			// An authority that the proxy does not name may be one that it accepts all the same.
			chosen = &own[0]
		}
		r.asked, r.shown = true, err == nil && len(chosen.Certificate) > 0
		return chosen, err
	}
}

// isAlert reports whether a TLS server ended a connection by an alert that may be about the client's certificate (RFC
// 8446, section 6.2). Package tls exports no type for those of a server.
func isAlert(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "remote error" {
		return false
	}
	text := op.Err.Error()
	return strings.Contains(text, "certificate") || strings.Contains(text, "handshake failure") || strings.Contains(text, "access denied")
}

// wordsEnded are how a server ends a connection without an alert.
var wordsEnded = []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE}

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

// explain returns the proxy's answer that err stands for, if it is about the client certificate; otherwise err.
func (r *certificateRequest) explain(err error) error {
	ended := slices.ContainsFunc(wordsEnded, func(word error) bool { return errors.Is(err, word) })
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

// secure leads the TLS handshake with a proxy.
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

// judged is a connection to a proxy that has asked for a client certificate, which it may still refuse.
type judged struct {
	*stream.TLS
	via   Proxy
	asked certificateRequest

	heard   atomic.Bool
	refused atomic.Pointer[Error]
}

// Read reads what the proxy sent. If it sent nothing but a refusal of the certificate, the error is an *Error.
func (c *judged) Read(p []byte) (int, error) {
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
func (c *judged) Opened(context.Context) error {
	if refused := c.refused.Load(); refused != nil {
		return refused
	}
	return nil
}
