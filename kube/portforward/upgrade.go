package portforward

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/transport"

	"fairlead/kube/fault"
	"fairlead/kube/retryafter"
	"fairlead/proxy/safetext"
	"fairlead/proxy/stream"
)

// The protocols of port-forwards: how SPDY gets through.
const (
	ProtocolSPDY      = "spdy"      // the connection itself is upgraded to SPDY/3.1
	ProtocolWebSocket = "websocket" // SPDY inside WebSocket messages
)

const (
	protocolV1   = "portforward.k8s.io"
	protocolInWS = "SPDY/3.1+" + protocolV1
)

// An upgrader makes connections that speak SPDY with a Pod's container runtime. The credentials of a kubeconfig are
// applied by the same round trippers as for plain requests; the upgrader is the last of them.
type upgrader struct {
	route         *route
	rt            http.RoundTripper // the kubeconfig's round trippers around the upgrader's RoundTrip
	identityProbe http.RoundTripper // the same around echoTransport
	unbound       unboundConns
	forced        string // the only protocol to use; empty for either
	context       string // of the kubeconfig, for errors
	plugin        string // the credential plugin's command, for errors

	mu   sync.Mutex
	last string // the protocol that worked
}

func newUpgrader(cfg Config) (*upgrader, error) {
	conf, err := cfg.REST.TransportConfig()
	if err != nil {
		return nil, err
	}
	if cfg.Certificate != nil {
		conf.TLS.GetCertHolder = &transport.GetCertHolder{GetCert: cfg.Certificate}
	}
	u := &upgrader{forced: cfg.Protocol, context: cfg.Context}
	if cfg.REST.ExecProvider != nil {
		u.plugin = cfg.REST.ExecProvider.Command
	}
	if u.route, err = newRoute(cfg.REST, conf); err != nil {
		return nil, err
	}
	u.route.proxySource = cfg.ProxySource
	if cfg.Roots != nil {
		u.route.roots = cfg.Roots
	}
	if u.rt, err = transport.HTTPWrappersForConfig(conf, u); err != nil {
		return nil, err
	}
	if u.identityProbe, err = transport.HTTPWrappersForConfig(conf, echoTransport{}); err != nil {
		return nil, err
	}
	return u, nil
}

// An upgraded is a connection that carries SPDY.
type upgraded struct {
	net.Conn
	identity identity
	protocol string
	secrets  []string // in the request for it
}

// protocols returns the protocols to try, beginning with the one that worked last.
func (u *upgrader) protocols() []string {
	if u.forced != "" {
		return []string{u.forced}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last == ProtocolWebSocket {
		return []string{ProtocolWebSocket, ProtocolSPDY}
	}
	return []string{ProtocolSPDY, ProtocolWebSocket}
}

// dial upgrades a connection for a Pod. If one protocol is refused, the other is tried: they need different rights
// (create for SPDY's POST, get for a WebSocket), and a middlebox may know only one of them and refuse or cut the other.
func (u *upgrader) dial(ctx context.Context, ep Endpoint) (*upgraded, error) {
	var refusals []error
	for _, protocol := range u.protocols() {
		conn, err := u.tryProtocol(ctx, protocol, ep)
		if err == nil {
			u.mu.Lock()
			u.last = protocol
			u.mu.Unlock()
			return conn, nil
		}
		refusals = append(refusals, err)
		if refused, dropped := new(refusal), new(droppedError); !errors.As(err, &dropped) && (!errors.As(err, &refused) || refused.final()) {
			break
		}
	}
	return nil, u.explain(ctx, ep, refusals)
}

// tryProtocol upgrades a connection to one protocol. It tries again after a pause that the API server asks for, and once
// after a 401.
func (u *upgrader) tryProtocol(ctx context.Context, protocol string, ep Endpoint) (*upgraded, error) {
	renewed := false
	for tries := 1; ; tries++ {
		req, check := u.request(ctx, protocol, ep)
		resp, err := u.rt.RoundTrip(req)
		if err == nil && resp.StatusCode == http.StatusSwitchingProtocols {
			return upgradeOf(resp, protocol, check)
		}
		refused, err := refusalOf(resp, err)
		switch {
		case err != nil:
			return nil, err
		case refused.retryAfter > 0 && tries < retryafter.Tries && retryafter.Wait(ctx, refused.retryAfter):
		case refused.by == apiServer && refused.status == http.StatusUnauthorized && !renewed:
			renewed = true // credential plugins and token files are read again after a 401
		default:
			return nil, refused
		}
	}
}

// refusalOf returns the refusal that the round trippers passed on, as an answer or as an error; any other error is
// returned.
func refusalOf(resp *http.Response, err error) (*refusal, error) {
	if refused := new(refusal); errors.As(err, &refused) {
		return refused, nil
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody)) // it is in memory already
	if err != nil {
		return nil, err
	}
	return newRefusal(resp.StatusCode, resp.Header, body, secretsOf(resp)...), nil
}

// upgradeOf returns the upgraded connection, if the answer is the upgrade that was requested.
func upgradeOf(resp *http.Response, protocol string, check func(http.Header) error) (*upgraded, error) {
	conn, ok := resp.Body.(*upgradedBody)
	if !ok {
		resp.Body.Close()
		return nil, errors.New("the connection is hidden by a transport wrapper")
	}
	if err := check(resp.Header); err != nil {
		conn.Close()
		return nil, &refusal{status: resp.StatusCode, text: printable(err.Error(), secretsOf(resp)...)}
	}
	up := &upgraded{Conn: conn.Conn, identity: conn.identity, protocol: protocol, secrets: secretsOf(resp)}
	if protocol == ProtocolWebSocket {
		up.Conn = newWebSocket(conn.Conn)
	}
	return up, nil
}

// request returns a request for an upgrade; check checks the header of its answer.
func (u *upgrader) request(ctx context.Context, protocol string, ep Endpoint) (req *http.Request, check func(http.Header) error) {
	target := u.route.base.JoinPath("api/v1/namespaces", url.PathEscape(ep.Namespace), "pods", url.PathEscape(ep.Pod), "portforward")
	target.User = nil
	req = (&http.Request{Method: http.MethodPost, URL: target, Host: target.Host, Header: http.Header{}}).WithContext(ctx)
	req.Header.Set("Connection", "Upgrade")
	if protocol == ProtocolSPDY {
		req.Header.Set("Upgrade", "SPDY/3.1")
		req.Header.Set("X-Stream-Protocol-Version", protocolV1)
		return req, func(h http.Header) error {
			if !strings.EqualFold(h.Get("Upgrade"), "SPDY/3.1") {
				return fmt.Errorf("upgraded to %q instead of SPDY/3.1", h.Get("Upgrade"))
			}
			return nil
		}
	}
	key, accept := wsKey()
	req.Method = http.MethodGet
	req.Header.Set("Upgrade", "websocket")
	req.Header.Set("Sec-WebSocket-Version", "13")
	req.Header.Set("Sec-WebSocket-Key", key)
	req.Header.Set("Sec-WebSocket-Protocol", protocolInWS)
	return req, func(h http.Header) error {
		if !strings.EqualFold(h.Get("Upgrade"), "websocket") || h.Get("Sec-WebSocket-Accept") != accept {
			return errors.New("not a WebSocket handshake")
		}
		if got := h.Get("Sec-WebSocket-Protocol"); got != protocolInWS {
			return fmt.Errorf("WebSocket protocol %q instead of %s", got, protocolInWS)
		}
		return nil
	}
}

// An upgradedBody is the body of an answer with status 101: the connection.
type upgradedBody struct {
	net.Conn
	identity identity
}

// RoundTrip sends one request on a connection of its own, and keeps the connection if it is upgraded. It is the last of
// the round trippers of a kubeconfig. They judge credentials by the answers, so an answer that is not the API server's
// own, such as a kubelet's 401, is returned to them as an error.
func (u *upgrader) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := u.roundTrip(req)
	if err != nil || resp.StatusCode == http.StatusSwitchingProtocols {
		return resp, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body) // it is in memory already
	if err != nil {
		return nil, err
	}
	if refused := newRefusal(resp.StatusCode, resp.Header, body, secretsOf(resp)...); refused.by != apiServer {
		return nil, refused
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// roundTrip sends a request on a spare connection, or on a new one if that fails.
func (u *upgrader) roundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if _, now, err := u.route.certificate(); err == nil {
		u.unbound.keepOnly(func(id identity) bool { return id == now })
	}
	if conn, id := u.unbound.take(time.Now()); conn != nil {
		bounded, cancel := context.WithTimeout(ctx, responseTimeout(u.route.roundTrip()))
		resp, err := u.send(bounded, conn, id, req)
		unanswered := bounded.Err() != nil
		cancel()
		if err == nil || ctx.Err() != nil {
			return resp, err
		}
		// The connection had waited too long, and the API server did not read the request. Or the API server is slow or
		// hangs, which a new connection will show.
		if unanswered {
			u.unbound.dropAll()
			u.route.unreachable()
		}
	}
	// A connection that ends in place of an answer may have met an API server that restarts. The next one may
	// reach another.
	for again := false; ; again = true {
		conn, id, err := u.route.dial(ctx)
		if err != nil && fault.Ended(err) && !again {
			continue
		}
		if err != nil {
			return nil, u.requestError(req, err)
		}
		resp, err := u.send(ctx, conn, id, req)
		if err == nil {
			return resp, nil
		}
		if again || ctx.Err() != nil {
			return nil, u.requestError(req, &droppedError{err})
		}
	}
}

// requestError returns how a request failed on the route. What comes in place of an answer may repeat the request, and
// errors quote it.
func (u *upgrader) requestError(req *http.Request, err error) error {
	if cause := req.Context().Err(); cause != nil {
		return cause
	}
	return &networkError{safetext.Error(err, safetext.Credentials(req.Header)...)}
}

// secretsOf returns the secrets of the request that was answered.
func secretsOf(resp *http.Response) []string { return safetext.Credentials(resp.Request.Header) }

// A networkError is a failure on the route, in contrast to an error of the kubeconfig's round trippers.
type networkError struct{ err error }

func (e *networkError) Error() string { return e.err.Error() }
func (e *networkError) Unwrap() error { return e.err }

// A droppedError is a connection that ended in place of an answer. Middleboxes end connections for upgrades that they
// do not know.
type droppedError struct{ err error }

func (e *droppedError) Error() string {
	return "the request for an upgrade got no answer: " + e.err.Error()
}
func (e *droppedError) Unwrap() error { return e.err }

// send sends one request and reads its answer.
func (u *upgrader) send(ctx context.Context, conn net.Conn, cert identity, req *http.Request) (*http.Response, error) {
	resp, rest, err := exchange(ctx, conn, req)
	if err != nil {
		conn.Close()
		return nil, err
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		resp.Body = &upgradedBody{Conn: stream.Unread(conn, rest), identity: identityOf(req.Header, cert)}
		return resp, nil
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(bodyTimeout))
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody)) // whatever arrived in time
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

const (
	bodyTimeout = 2 * time.Second
	maxBody     = 16 << 10
)

// identityOf returns the identity that a request is sent with.
func identityOf(h http.Header, cert identity) identity {
	sum := sha256.New()
	sum.Write(cert[:])
	for _, name := range []string{"Authorization", transport.ImpersonateUserHeader, transport.ImpersonateUIDHeader} {
		fmt.Fprintf(sum, "%q", h.Values(name))
	}
	fmt.Fprintf(sum, "%q", h.Values(transport.ImpersonateGroupHeader))
	return identity(sum.Sum(nil))
}

// An echoTransport answers without a server: its answer has the request that would have been sent.
type echoTransport struct{}

func (echoTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: req}, nil
}

// currentIdentity returns the identity that a session would have if it was dialled now. It reads token files, and sends
// nothing.
func (u *upgrader) currentIdentity(ctx context.Context) (identity, error) {
	_, cert, err := u.route.certificate()
	if err != nil {
		return identity{}, err
	}
	req := (&http.Request{Method: http.MethodGet, URL: u.route.base, Header: http.Header{}}).WithContext(ctx)
	resp, err := u.identityProbe.RoundTrip(req)
	if err != nil {
		return identity{}, err
	}
	return identityOf(resp.Request.Header, cert), nil
}
