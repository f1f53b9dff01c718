package proxy

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"fairlead/proxy/http1"
	"fairlead/proxy/stream"
)

// Times of connections to plain-HTTP targets.
const (
	poolIdle     = 5 * time.Second // short: what is behind a name may be replaced at any time
	continueWait = time.Second     // for a target's 100 Continue; then the body is sent without it
	confirmWait  = time.Second
)

// An exchange is one plain-HTTP request and its response.
type exchange struct {
	client  *httpClient
	record  *record
	ctx     context.Context // the request's, with which a dial for it must end
	route   route
	target  Target
	asked   http1.Absolute
	via     *url.URL                       // the forward proxy that gets the request, if any
	dialled atomic.Pointer[httpTargetConn] // the connection made for it, if one had to be
	carried atomic.Pointer[httpTargetConn] // the connection that it was sent on last, until a dial fails
	bodyErr error                          // what cut the response
	single  bool                           // its connection carries no other request
	old     bool                           // the client speaks HTTP/1.0
	site    *localSite                     // the web server that the listener stands for, if it does
	over    bool                           // its record has ended, or is a tunnel's
	upgrade *http.Response                 // 101: the connection becomes a tunnel
}

type exchangeKey struct{}

// newForwarder returns the ReverseProxy for plain-HTTP requests. Everything that differs between requests is in their
// exchange.
func newForwarder(logger zerolog.Logger) httputil.ReverseProxy {
	return httputil.ReverseProxy{
		Rewrite:        rewriteRequest,
		Transport:      exchangeTransport{},
		FlushInterval:  -1,
		ErrorLog:       log.New(serverLog{logger}, "", 0),
		ModifyResponse: modifyResponse,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			r.Context().Value(exchangeKey{}).(*exchange).failed(w, r, err)
		},
	}
}

// forward serves one plain-HTTP request to a proxy.
func (c *httpClient) forward(w http.ResponseWriter, r *http.Request, asked http1.Absolute) {
	target, err := targetOf(asked)
	if err != nil {
		badRequest(w, r, err.Error())
		return
	}
	c.exchange(w, r, &exchange{target: target, asked: asked})
}

// exchange serves one plain-HTTP request, with the target in x.
func (c *httpClient) exchange(w http.ResponseWriter, r *http.Request, x *exchange) {
	if lastHop(r) {
		sayHTTP(w, r, Answer{Status: http.StatusOK, Text: "this is the proxy, and Max-Forwards is 0"})
		return
	}
	config := c.conn.server.config.Load()
	rec := c.conn.begin(config, HTTP, c.RemoteAddr(), x.target)
	x.client, x.record, x.ctx = c, rec, r.Context()
	r.URL, r.Host = x.asked.URL(), x.asked.Authority // RFC 9112 3.2.2: the Host header does not count
	// A response that cannot be finished ends in a panic with http.ErrAbortHandler, which is net/http's own way.
	defer x.end(r)
	defer x.freeHead()
	if c.conn.surplus {
		x.failed(w, r, c.conn.full)
		return
	}

	ctx, expire := context.WithTimeout(r.Context(), config.DialTimeout)
	var err error
	x.route, err = routed(ctx, rec, x.target)
	switch {
	case err != nil || !x.route.rule.SameOrigin:
	case x.site != nil:
		err = x.site.checkOrigin(r)
	default:
		err = checkOrigin(r, x.target)
	}
	if x.site != nil {
		x.site.toSite(r)
	}
	if err == nil {
		err = x.findForward(ctx, r)
	}
	expire()
	if err != nil {
		x.failed(w, r, err)
		return
	}
	rec.setStage(StageRelay)
	if !r.ProtoAtLeast(1, 1) {
		r.Header.Del("Upgrade") // RFC 9110 7.8
		w = noInterim{w}
		x.old = true
	}
	// A target may answer while the client still sends; net/http would swallow the rest of the request.
	_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/1 has it always
	c.conn.http.forwarder.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x)))
	finishBody(w, r)
	if !x.over {
		x.over = true
		rec.finish(nil)
	}
}

// finishBody reads what is left of a request when its answer is complete. Net/http would do so after the handler, and
// in full duplex it would then panic at the next request, because the end of the body begins a read that nothing ends.
func finishBody(w http.ResponseWriter, r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	_ = http.NewResponseController(w).Flush() // some clients send the rest only after the answer
	_ = r.Body.Close()                        // the next request returns the error
}

// noInterim is a ResponseWriter for HTTP/1.0, which has no interim responses (RFC 9110 15.2).
type noInterim struct{ http.ResponseWriter }

// WriteHeader drops interim responses.
func (w noInterim) WriteHeader(status int) {
	if status >= 200 {
		w.ResponseWriter.WriteHeader(status)
	}
}

// Unwrap is for http.ResponseController.
func (w noInterim) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// findForward sets x.via if the request has to be sent to a forward proxy. An upgraded connection goes through a tunnel
// instead.
func (x *exchange) findForward(ctx context.Context, r *http.Request) error {
	forwarder, ok := x.route.dialer.(Forwarder)
	if !ok || r.Header.Get("Upgrade") != "" || x.site != nil && x.site.TLS {
		return nil
	}
	via, err := forwarder.Forward(ctx, x.target.String())
	if err == nil && via != nil && (via.Scheme == "http" || via.Scheme == "https") {
		x.via = via
	}
	return inTime(ctx, err)
}

// end ends the record of an exchange whose response is incomplete.
func (x *exchange) end(r *http.Request) {
	switch {
	case x.over:
	case x.client.conn.whyCut() != nil:
		x.record.finish(x.client.conn.whyCut())
	case x.bodyErr != nil && x.ctx.Err() == nil:
		if !r.ProtoAtLeast(1, 1) {
			stream.Reset(x.client.Peeked) // HTTP/1.0 takes the end of the connection for the end of the body
		}
		x.record.finish(fmt.Errorf("the target broke off: %w", x.bodyErr))
	default:
		x.record.finish(nil) // the client broke off
	}
}

// failed answers a request that has no response, and ends its record.
func (x *exchange) failed(w http.ResponseWriter, r *http.Request, err error) {
	if x.upgrade != nil {
		if err = x.becomeTunnel(w); err == nil {
			return
		}
	}
	x.over = true
	if x.client.requests.broken.Load() {
		err = http1.BadRequest("The body of the request is no chunked one.")
	} else if _, ok := errors.AsType[*NoAnswerError](err); !ok {
		err = x.refusal(r, err)
	}
	if x.ctx.Err() != nil {
		why := ErrClientLeft
		if cut := x.client.conn.whyCut(); cut != nil {
			why = cut
		}
		x.record.finish(fmt.Errorf("%w (%w)", why, err))
		return
	}
	if broken, ok := errors.AsType[*http1.Error](err); ok {
		x.record.failed(err, answerTo(broken))
		x.record.finish(err)
		x.client.refuse(w, r, broken)
		return
	}
	answer := x.record.config.answer(x.target, err)
	x.record.failed(err, answer)
	x.record.finish(err)
	sayHTTP(w, r, answer)
}

// refusal finds the reason behind an error of a connection that its target had not confirmed.
func (x *exchange) refusal(r *http.Request, err error) error {
	conn := x.dialled.Load()
	if conn == nil {
		return err
	}
	unconfirmed, ok := conn.Conn.(Unconfirmed)
	if !ok {
		return err
	}
	ctx, expire := context.WithTimeout(r.Context(), confirmWait)
	defer expire()
	// net/http may have closed the connection already, which says nothing about the target.
	if refused := unconfirmed.Opened(ctx); refused != nil && !errors.Is(refused, net.ErrClosed) {
		x.record.setStage(StageDial)
		return refused
	}
	return err
}
