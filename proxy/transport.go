package proxy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"strconv"
	"strings"

	"fairlead/proxy/http1"
	"fairlead/proxy/upstream"
)

// exchangeTransport sends a request on the client's own connections.
type exchangeTransport struct{}

func (exchangeTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	x := r.Context().Value(exchangeKey{}).(*exchange)
	pooled, unpooled := x.client.targets.transports(x.record.config)
	transport := unpooled
	if x.single = !repeatable(r); !x.single {
		transport = pooled
	}
	response, err := x.send(transport, r)
	if errors.As(err, new(*NotHTTPError)) || errors.As(err, new(*ResponseError)) {
		return nil, err
	}
	if err != nil && (r.Method == http.MethodGet || r.Method == http.MethodHead) && !x.single && x.unanswered(r) != nil {
		x.record.setRepeated()
		pooled.CloseIdleConnections() // which may lead to the same program as the last one
		response, err = x.send(pooled, r)
	}
	if err != nil {
		if cause := x.unanswered(r); cause != nil && !isRefusal(cause) {
			return nil, x.noAnswer(cause)
		}
		return nil, fmt.Errorf("request to %s: %w", x.target, err)
	}
	x.record.setStage(StageRelay)
	if x.via != nil && response.StatusCode == http.StatusProxyAuthRequired {
		_ = response.Body.Close()
		login := &upstream.Error{Proxy: upstream.Address(x.via), Problem: upstream.Login, Err: fmt.Errorf("it wants a login: %w", fs.ErrPermission)}
		if named, ok := x.route.dialer.(interface{ Name() string }); ok {
			login.Name = named.Name()
		}
		return nil, login
	}
	if err := x.checkStatus(r, response); err != nil {
		_ = response.Body.Close()
		return nil, err
	}
	if response.StatusCode == http.StatusSwitchingProtocols {
		x.upgrade = response
		return nil, errUpgrade
	}
	x.record.connected()
	return response, nil
}

// send sends a request, again if a connection that was used before turns out to be closed.
func (x *exchange) send(transport *http.Transport, r *http.Request) (*http.Response, error) {
	x.carried.Store(nil)
	trace := &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			conn := info.Conn.(*httpTargetConn)
			conn.carry(x.asked.Line(r.Method, x.via != nil))
			x.carried.Store(conn)
		},
		Got1xxResponse: func(_ int, header textproto.MIMEHeader) error {
			http1.DisownInterim(http.Header(header)) // before httputil, whose hook runs after this one, passes it on
			return nil
		},
	}
	response, err := transport.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil {
		if foreign := x.notHTTP(); foreign != nil {
			return nil, foreign
		}
		if large := x.largeHead(); large != nil {
			return nil, large
		}
	}
	return response, err
}

// unanswered returns the error that ended a connection between the request and the first byte of its answer: the
// connection was cut or closed, or the target had not accepted it. It returns nil if that is not what happened, or if
// the client has left.
func (x *exchange) unanswered(r *http.Request) error {
	conn := x.carried.Load()
	if conn == nil || conn.heard.Load() > 0 || x.ctx.Err() != nil || x.client.conn.whyCut() != nil {
		return nil
	}
	cause := conn.failure()
	if cause == nil {
		return nil
	}
	cause = x.refusal(r, cause)
	var timeout net.Error
	if errors.As(cause, &timeout) && timeout.Timeout() || errors.Is(cause, fs.ErrPermission) {
		return nil
	}
	for _, word := range unansweredErrors {
		if errors.Is(cause, word) {
			return cause
		}
	}
	return nil
}

// noAnswer returns a *NoAnswerError for a request whose connection ended by cause.
func (x *exchange) noAnswer(cause error) error {
	return &NoAnswerError{Target: x.answerer(), Repeated: x.record.Repeated, Err: cause}
}

// repeatable reports whether a request may be sent on a connection that was used before. Such a connection may just
// have been closed; then net/http repeats the requests that a proxy may repeat (RFC 9110 9.2.2), and no others.
func repeatable(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return (r.Body == nil || r.Body == http.NoBody) && r.Header.Get("Upgrade") == ""
	}
	return false
}

// rewriteRequest makes the request that is sent from the client's. Package httputil has removed the hop-by-hop headers
// (RFC 9110 7.6.1). What else it changes, because it is for reverse proxies, is restored.
func rewriteRequest(p *httputil.ProxyRequest) {
	p.Out.Trailer = p.In.Trailer // filled when the body has been read
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if values, ok := p.In.Header[name]; ok {
			p.Out.Header[name] = values
		}
	}
	for name := range p.Out.Header {
		if strings.HasPrefix(name, "Proxy-") {
			p.Out.Header.Del(name)
		}
	}
	if left, ok := maxForwards(p.In); ok {
		p.Out.Header.Set("Max-Forwards", strconv.FormatUint(left-1, 10))
	}
	http1.AddVia(p.Out.Header, p.In.ProtoMajor, p.In.ProtoMinor)
}

// maxForwards returns how many hops a request may still take, if that is limited (RFC 9110 7.6.2).
func maxForwards(r *http.Request) (uint64, bool) {
	if r.Method != http.MethodTrace && r.Method != http.MethodOptions {
		return 0, false
	}
	left, err := strconv.ParseUint(r.Header.Get("Max-Forwards"), 10, 32)
	return left, err == nil
}

// lastHop reports whether a request ends at this proxy.
func lastHop(r *http.Request) bool {
	left, ok := maxForwards(r)
	return ok && left == 0
}

func modifyResponse(response *http.Response) error {
	x := response.Request.Context().Value(exchangeKey{}).(*exchange)
	http1.Disown(response.Header)
	http1.DisownTrailer(response.Trailer)
	http1.AddVia(response.Header, response.ProtoMajor, response.ProtoMinor)
	if x.site != nil {
		x.site.fromSite(response.Header)
	}
	if x.old {
		response.Header.Set("Connection", "close") // a proxy keeps no connection of HTTP/1.0, even if asked to (RFC 9112 9.3)
	}
	response.Body = &watchedBody{ReadCloser: response.Body, exchange: x, response: response}
	return nil
}

// A watchedBody records the error that cut a response, and cleans the trailer.
type watchedBody struct {
	io.ReadCloser
	exchange *exchange
	response *http.Response
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		http1.DisownTrailer(b.response.Trailer) // net/http has just read it
	case err != nil:
		b.exchange.bodyErr = err
	}
	return n, err
}
