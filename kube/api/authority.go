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
	"fairlead/kube/kubeconfig"
	"fairlead/kube/portforward"
	"fairlead/proxy/safetext"
)

// An Authority is who may vouch for the API server: the certificates in the file that the kubeconfig names, which may be
// replaced while the context is on. Without a file there is nothing to follow.
type Authority struct {
	file  string
	Roots atomic.Pointer[x509.CertPool] // nil: those that the configuration was read with
	data  []byte                        // the file's content as it counts; owned by follow
}

// follow takes the file up when it changes, and calls changed with its content, until ctx ends. What holds no certificate,
// as a file that is half-written, changes nothing.
func (a *Authority) follow(ctx context.Context, changed func(pem []byte)) {
	followFile(ctx, a.file, func(content []byte) { a.take(content, changed) })
}

func (a *Authority) take(pem []byte, changed func(pem []byte)) {
	pool := x509.NewCertPool()
	if bytes.Equal(pem, a.data) || !pool.AppendCertsFromPEM(pem) {
		return
	}
	a.data = pem
	a.Roots.Store(pool)
	changed(pem)
}

// A renewable round tripper is replaced when the certificate authority is.
type renewable struct {
	config  *transport.Config // what the round tripper is made from
	current atomic.Pointer[http.RoundTripper]
}

// newRenewable begins with next, which was made from config. All in it that concerns single requests is left out of
// what follows next: that is in the round trippers above.
func newRenewable(config transport.Config, next http.RoundTripper) *renewable {
	config.WrapTransport, config.Transport = nil, nil
	config.Username, config.Password, config.BearerToken, config.BearerTokenFile = "", "", "", ""
	config.Impersonate, config.UserAgent = transport.ImpersonationConfig{}, ""
	limitHead(next)
	r := &renewable{config: &config}
	r.current.Store(&next)
	return r
}

// MaxHead bounds the head of an answer, in bytes. What is made of it takes many times as much.
const MaxHead = 64 << 10

// limitingHeads guards that bound of transports: client-go gives contexts with the same server and certificates the same one.
var limitingHeads sync.Mutex

// limitHead sets the bound of a transport that this context has not used yet.
func limitHead(t http.RoundTripper) {
	limitingHeads.Lock()
	defer limitingHeads.Unlock()
	if under := under(t); under != nil && under.MaxResponseHeaderBytes != MaxHead {
		under.MaxResponseHeaderBytes = MaxHead
	}
}

// RoundTrip sends a request that has its credentials by now. No error repeats them.
func (r *renewable) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := roundTripThroughProxy(*r.current.Load(), request)
	if err != nil {
		return nil, safetext.Error(ofHead(err), safetext.Credentials(request.Header)...)
	}
	if err := portforward.CheckHead(response.Header); err != nil {
		response.Body.Close()
		return nil, err
	}
	return response, nil
}

// ofHead returns a *fault.Oversized for the errors of HTTP/1.1 and HTTP/2 that say that a head exceeds maxHead, of which there is
// nothing but the text, and other errors as they are.
func ofHead(err error) error {
	text := err.Error()
	if strings.Contains(text, "server response headers exceeded") || strings.Contains(text, "response header list larger than") {
		return &fault.Oversized{Of: fault.Bytes, Bound: MaxHead}
	}
	return err
}

// WrappedRoundTripper lets client-go find what is below, to close idle connections.
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

// authorityOf is the authority of a configuration.
func authorityOf(config *rest.Config) *Authority {
	if config.Insecure || len(config.CAData) > 0 {
		return &Authority{}
	}
	a := &Authority{file: config.CAFile}
	if pem, err := kubeconfig.ReadBounded(a.file); err == nil {
		a.data = pem // else the clients cannot be made either
	}
	return a
}
