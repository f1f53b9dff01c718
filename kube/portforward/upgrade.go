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
)

// The carriers: how SPDY gets through.
const (
	CarrierSPDY      = "spdy"      // the connection itself is upgraded to SPDY/3.1
	CarrierWebSocket = "websocket" // SPDY inside WebSocket messages
)

const (
	protocolV1   = "portforward.k8s.io"
	protocolInWS = "SPDY/3.1+" + protocolV1
)

// An upgrader makes connections that speak SPDY with a Pod's container runtime. All that a kubeconfig says about
// credentials is applied by the same round trippers that serve plain requests; the upgrader is the last of them.
type upgrader struct {
	route         *route
	rt            http.RoundTripper // the kubeconfig's round trippers around RoundTrip
	identityProbe http.RoundTripper // the same around one that only looks at the credentials
	unbound       unboundConns
	forced        string
	context       string // of the kubeconfig, for errors
	plugin        string // the credential plugin's command, for errors

	mu   sync.Mutex
	last string // the carrier that worked
}

func newUpgrader(cfg Config) (*upgrader, error) {
	conf, err := cfg.REST.TransportConfig()
	if err != nil {
		return nil, err
	}
	if cfg.Certificate != nil {
		conf.TLS.GetCertHolder = &transport.GetCertHolder{GetCert: cfg.Certificate}
	}
	u := &upgrader{forced: cfg.Carrier, context: cfg.Context}
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

// An upgraded connection carries SPDY.
type upgraded struct {
	net.Conn
	who     identity
	carrier string
	secrets []string // of the request for it
}

// carriers is what to try, what worked last first.
func (u *upgrader) carriers() []string {
	if u.forced != "" {
		return []string{u.forced}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last == CarrierWebSocket {
		return []string{CarrierWebSocket, CarrierSPDY}
	}
	return []string{CarrierSPDY, CarrierWebSocket}
}

// dial upgrades a connection for a Pod. What one carrier is refused the other tries: rights differ between them (create
// for SPDY's POST, get for a WebSocket), and middleboxes know one and not the other, which they refuse or cut.
func (u *upgrader) dial(ctx context.Context, ep Endpoint) (*upgraded, error) {
	var refusals []error
	for _, carrier := range u.carriers() {
		conn, err := u.tryCarrier(ctx, carrier, ep)
		if err == nil {
			u.mu.Lock()
			u.last = carrier
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

func (u *upgrader) tryCarrier(ctx context.Context, carrier string, ep Endpoint) (*upgraded, error) {
	renewed := false
	for tries := 1; ; tries++ {
		req, check := u.request(ctx, carrier, ep)
		resp, err := u.rt.RoundTrip(req)
		if err == nil && resp.StatusCode == http.StatusSwitchingProtocols {
			return upgradeOf(resp, carrier, check)
		}
		refused, err := refusalOf(resp, err)
		switch {
		case err != nil:
			return nil, err
		case refused.retryAfter > 0 && tries < retryafter.Tries && retryafter.Wait(ctx, refused.retryAfter):
		case refused.by == apiServer && refused.status == http.StatusUnauthorized && !renewed:
			renewed = true // credential plugins and token files are asked again after a 401
		default:
			return nil, refused
		}
	}
}

// refusalOf is the refusal that the round trippers passed on, as an answer or as an error; any other error is returned.
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

// upgradeOf looks whether the answer is the upgrade that was asked for.
func upgradeOf(resp *http.Response, carrier string, check func(http.Header) error) (*upgraded, error) {
	conn, ok := resp.Body.(*upgradedBody)
	if !ok {
		resp.Body.Close() // of no more use
		return nil, errors.New("the connection is hidden by a transport wrapper")
	}
	if err := check(resp.Header); err != nil {
		conn.Close() // of no more use
		return nil, &refusal{status: resp.StatusCode, text: printable(err.Error(), secretsOf(resp)...)}
	}
	up := &upgraded{Conn: conn.Conn, who: conn.who, carrier: carrier, secrets: secretsOf(resp)}
	if carrier == CarrierWebSocket {
		up.Conn = newWebSocket(conn.Conn)
	}
	return up, nil
}

// request asks for an upgrade; check looks at the answer's header.
func (u *upgrader) request(ctx context.Context, carrier string, ep Endpoint) (req *http.Request, check func(http.Header) error) {
	target := u.route.base.JoinPath("api/v1/namespaces", url.PathEscape(ep.Namespace), "pods", url.PathEscape(ep.Pod), "portforward")
	target.User = nil
	req = (&http.Request{Method: http.MethodPost, URL: target, Host: target.Host, Header: http.Header{}}).WithContext(ctx)
	req.Header.Set("Connection", "Upgrade")
	if carrier == CarrierSPDY {
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

// An upgradedBody connection is the body of a 101 answer.
type upgradedBody struct {
	net.Conn
	who identity
}

// RoundTrip sends one request on a connection of its own and keeps the connection if it is upgraded. It ends the chain of
// round trippers that a kubeconfig asks for. Those judge credentials by the answers, so an answer that is not the API
// server's own, such as a kubelet's 401, does not get to them: it is an error.
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

func (u *upgrader) roundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if _, now, err := u.route.certificate(); err == nil {
		u.unbound.keepOnly(func(who identity) bool { return who == now })
	}
	if conn, who := u.unbound.take(time.Now()); conn != nil {
		bounded, cancel := context.WithTimeout(ctx, responseTimeout(u.route.roundTrip()))
		resp, err := u.send(bounded, conn, who, req)
		unanswered := bounded.Err() != nil
		cancel()
		if err == nil || ctx.Err() != nil {
			return resp, err
		}
		// It had waited too long: nothing was asked with it. Or the API server is slow, or hangs, which a new one tells.
		if unanswered {
			u.unbound.dropAll()
			u.route.unreachable()
		}
	}
	// One that ends in place of an answer may have met an API server that restarts: the next is another's.
	for again := false; ; again = true {
		conn, who, err := u.route.dial(ctx)
		if err != nil && fault.Ended(err) && !again {
			continue
		}
		if err != nil {
			return nil, u.requestError(req, err)
		}
		resp, err := u.send(ctx, conn, who, req)
		if err == nil {
			return resp, nil
		}
		if again || ctx.Err() != nil {
			return nil, u.requestError(req, &droppedError{err})
		}
	}
}

// requestError is how a request failed on the way. What comes in place of an answer may repeat the request, and errors quote it.
func (u *upgrader) requestError(req *http.Request, err error) error {
	if cause := req.Context().Err(); cause != nil {
		return cause
	}
	return &networkError{safetext.Error(err, safetext.Credentials(req.Header)...)}
}

// secretsOf are the secrets of the request that was answered.
func secretsOf(resp *http.Response) []string { return safetext.Credentials(resp.Request.Header) }

// A networkError is what happened on the way, in contrast to what the kubeconfig's round trippers have to say.
type networkError struct{ err error }

func (e *networkError) Error() string { return e.err.Error() }
func (e *networkError) Unwrap() error { return e.err }

// A droppedError is a connection that ended in place of an answer: middleboxes do that to upgrades they do not know.
type droppedError struct{ err error }

func (e *droppedError) Error() string {
	return "the request for an upgrade got no answer: " + e.err.Error()
}
func (e *droppedError) Unwrap() error { return e.err }

// send makes the exchange of one request.
func (u *upgrader) send(ctx context.Context, conn net.Conn, cert identity, req *http.Request) (*http.Response, error) {
	resp, rest, err := exchange(ctx, conn, req)
	if err != nil {
		conn.Close() // of no more use
		return nil, err
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		resp.Body = &upgradedBody{Conn: withRest(conn, rest), who: identityOf(req.Header, cert)}
		return resp, nil
	}
	defer conn.Close()                            // of no more use
	conn.SetDeadline(time.Now().Add(bodyTimeout)) // then without
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil && len(body) == 0 {
		body = nil
	}
	resp.Body = io.NopCloser(strings.NewReader(string(body)))
	return resp, nil
}

const (
	bodyTimeout = 2 * time.Second
	maxBody     = 16 << 10
)

// identityOf tells apart who a request is from.
func identityOf(h http.Header, cert identity) identity {
	sum := sha256.New()
	sum.Write(cert[:])
	for _, name := range []string{"Authorization", transport.ImpersonateUserHeader, transport.ImpersonateUIDHeader} {
		fmt.Fprintf(sum, "%q", h.Values(name))
	}
	fmt.Fprintf(sum, "%q", h.Values(transport.ImpersonateGroupHeader))
	return identity(sum.Sum(nil))
}

// A echoTransport answers without asking anyone: its answer's body is who the request would have been from.
type echoTransport struct{}

func (echoTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: req}, nil
}

// currentIdentity says whose a session would be that was dialled now. It asks no server; token files are read.
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
