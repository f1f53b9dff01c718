package api

import (
	"bytes"
	"context"
	"crypto/x509"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"fairlead/kube/fault"
	"fairlead/kube/heads"
	"fairlead/kube/kubeconfig"
	"fairlead/proxy/safetext"
)

// An Authority is the certificate authorities that are trusted for the API server. They come from a file that the
// kubeconfig names, which may be replaced while the context is on. Without a file there is nothing to follow.
type Authority struct {
	file  string
	Roots atomic.Pointer[x509.CertPool] // nil: those in the configuration
	data  []byte                        // the file's content that is in use; owned by follow
}

// follow applies the file when it changes, and calls changed with its content, until ctx ends. It ignores content without
// a certificate, such as a half-written file.
func (a *Authority) follow(ctx context.Context, changed func(pem []byte)) {
	followFile(ctx, a.file, func(content []byte) { a.apply(content, changed) })
}

func (a *Authority) apply(pem []byte, changed func(pem []byte)) {
	pool := x509.NewCertPool()
	if bytes.Equal(pem, a.data) || !pool.AppendCertsFromPEM(pem) {
		return
	}
	a.data = pem
	a.Roots.Store(pool)
	changed(pem)
}

// A renewable is a round tripper that is replaced when the certificate authority changes.
type renewable struct {
	config  *transport.Config // that the round tripper is made from
	current atomic.Pointer[http.RoundTripper]
}

// newRenewable returns a renewable that begins with next, which was made from config. Its later round trippers leave out
// what config says about single requests: the round trippers above apply that.
func newRenewable(config transport.Config, next http.RoundTripper) *renewable {
	config.WrapTransport, config.Transport = nil, nil
	config.Username, config.Password, config.BearerToken, config.BearerTokenFile = "", "", "", ""
	config.Impersonate, config.UserAgent = transport.ImpersonationConfig{}, ""
	limitHead(next)
	r := &renewable{config: &config}
	r.current.Store(&next)
	return r
}

// limitingHeads guards the bounds of transports: client-go returns the same transport for contexts with the same server
// and certificates.
var limitingHeads sync.Mutex

// limitHead sets the bound of a transport that this context has not used yet.
func limitHead(t http.RoundTripper) {
	limitingHeads.Lock()
	defer limitingHeads.Unlock()
	if base := baseTransport(t); base != nil && base.MaxResponseHeaderBytes != heads.MaxBytes {
		base.MaxResponseHeaderBytes = heads.MaxBytes
	}
}

// RoundTrip sends a request that already has its credentials. Its errors do not contain them.
func (r *renewable) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := roundTripThroughProxy(*r.current.Load(), request)
	if err != nil {
		return nil, safetext.Error(headError(err), safetext.Credentials(request.Header)...)
	}
	if err := heads.Check(response.Header); err != nil {
		response.Body.Close()
		return nil, err
	}
	return response, nil
}

// headError returns a *fault.Oversized if err says that a head exceeds heads.MaxBytes, and err otherwise. Package net/http has no
// types for these errors of HTTP/1.1 and HTTP/2, so they are known by their text.
func headError(err error) error {
	text := err.Error()
	if strings.Contains(text, "server response headers exceeded") || strings.Contains(text, "response header list larger than") {
		return &fault.Oversized{Of: fault.Bytes, Bound: heads.MaxBytes}
	}
	return err
}

// WrappedRoundTripper returns the round tripper below. client-go uses it to close idle connections.
func (r *renewable) WrappedRoundTripper() http.RoundTripper { return *r.current.Load() }

// trust makes new connections trust the certificates in pem alone.
func (r *renewable) trust(pem []byte) error {
	config := *r.config
	config.TLS.CAFile, config.TLS.CAData = "", pem
	next, err := transport.New(&config)
	if err != nil {
		return err
	}
	sendPings(next)
	limitHead(next)
	old := r.current.Swap(&next)
	utilnet.CloseIdleConnectionsFor(*old)
	return nil
}

// authorityOf returns the authority of a configuration.
func authorityOf(config *rest.Config) *Authority {
	if config.Insecure || len(config.CAData) > 0 {
		return &Authority{}
	}
	a := &Authority{file: config.CAFile}
	if pem, err := kubeconfig.ReadBounded(a.file); err == nil {
		a.data = pem // otherwise New fails to make the clients
	}
	return a
}
