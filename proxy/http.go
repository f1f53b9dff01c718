package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"fairlead/proxy/browser"
	"fairlead/proxy/hostport"
	"fairlead/proxy/http1"
	"fairlead/proxy/stream"
)

const httpIdle = 2 * time.Minute // between two requests of one client

// An httpFront is the http.Server for all HTTP clients of a listener, and the listener that this server accepts from:
// it passes on connections whose first byte was that of HTTP.
type httpFront struct {
	server    http.Server
	forwarder httputil.ReverseProxy
	proxy     *Server
	addr      net.Addr
	arrived   chan *httpClient
	closed    chan struct{}
	closeOnce sync.Once
}

type httpClientKey struct{}

func newHTTPFront(proxy *Server, addr net.Addr) *httpFront {
	config := proxy.config.Load()
	f := &httpFront{proxy: proxy, addr: addr, arrived: make(chan *httpClient), closed: make(chan struct{})}
	f.forwarder = newForwarder(config.Log)
	f.server = http.Server{
		Handler:                      f,
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            config.Handshake,
		IdleTimeout:                  httpIdle,
		MaxHeaderBytes:               http1.MaxHeader,
		ErrorLog:                     log.New(serverLog{config.Log}, "", 0),
		ConnState: func(conn net.Conn, state http.ConnState) {
			if state == http.StateIdle {
				conn.(*httpClient).requests.done()
			}
		},
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, httpClientKey{}, conn)
		},
	}
	return f
}

// run serves until drain.
func (f *httpFront) run() { _ = f.server.Serve(f) } // returns http.ErrServerClosed, always

// drain closes idle clients at once and the others when their request is done, or when cut ends.
func (f *httpFront) drain(cut context.Context) {
	_ = f.server.Shutdown(cut) // the error is that of cut
	_ = f.server.Close()
}

// Accept returns the next connection for http.Server.
func (f *httpFront) Accept() (net.Conn, error) {
	select {
	case client := <-f.arrived:
		return client, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (f *httpFront) Close() error {
	f.closeOnce.Do(func() { close(f.closed) })
	return nil
}

// Addr is the address of the real listener.
func (f *httpFront) Addr() net.Addr { return f.addr }

// serverLog is the log of net/http, which reports broken clients and panics.
type serverLog struct{ log zerolog.Logger }

func (l serverLog) Write(p []byte) (int, error) {
	event := l.log.Debug()
	if bytes.Contains(p, []byte("panic serving")) {
		event = l.log.Error()
	}
	event.Str("said", oneLine(string(p))).Msg("http server")
	return len(p), nil
}

// askHTTP lets net/http serve a client until the client is gone or has asked for a tunnel.
func (c *connection) askHTTP(client *stream.Peeked) (*request, error) {
	_ = client.SetDeadline(time.Time{}) // net/http sets its own
	h := newHTTPClient(c, client)
	select {
	case c.http.arrived <- h:
		<-h.done
		h.targets.close(h.tunnel)
		return h.tunnel, nil
	case <-c.http.closed:
		return nil, ErrStopped
	}
}

// ServeHTTP serves a request by its kind: CONNECT, absolute form, or one that is not for a proxy (RFC 9112 3.2).
func (f *httpFront) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	client := r.Context().Value(httpClientKey{}).(*httpClient)
	if client.conn.surplus {
		w.Header().Set("Connection", "close") // frees the place for the next client
	}
	head := client.requests.head
	r.RequestURI = head.Target
	switch {
	case head.Silent:
		client.hide("", head.Refused.Text)
	case head.Refused != nil:
		client.refuse(w, r, head.Refused)
	case client.conn.site != nil:
		client.serveSite(w, r)
	case r.Method != http.MethodConnect && http1.IsOriginForm(head.Target):
		client.page(w, r)
	case !client.admitted(w, r):
	case r.Method == http.MethodConnect:
		client.connect(w, r)
	default:
		client.absolute(w, r)
	}
}

// absolute serves a request whose target is a URL.
func (c *httpClient) absolute(w http.ResponseWriter, r *http.Request) {
	target, ok := http1.ParseAbsolute(r.RequestURI)
	switch {
	case !ok:
		badRequest(w, r, "this is a proxy; ask it for absolute URLs or CONNECT")
	case !strings.EqualFold(target.Scheme, "http"):
		badRequest(w, r, fmt.Sprintf("this proxy does not speak %q; use CONNECT", target.Scheme))
	default:
		c.forward(w, r, target)
	}
}

// refuse answers a request after which nothing can be read, and ends the connection when the client has had time to
// read the answer.
func (c *httpClient) refuse(w http.ResponseWriter, r *http.Request, refused *http1.Error) {
	w.Header().Set("Connection", "close")
	sayHTTP(w, r, answerTo(refused))
	_ = http.NewResponseController(w).Flush()
	_ = stream.CloseWrite(c.Peeked) // an error means that the client has gone
	if c.requests.head.Refused == nil {
		_ = c.Peeked.SetReadDeadline(time.Now().Add(stream.LingerTime))
		_ = c.requests.discard()
		return
	}
	timer := time.NewTimer(stream.LingerTime)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.conn.cut.Done():
	case <-r.Context().Done(): // net/http, which reads, has noticed that the client left
	}
}

// connect hands the client over to a tunnel, which answers it after the dial.
func (c *httpClient) connect(w http.ResponseWriter, r *http.Request) {
	to, err := hostport.Parse(r.RequestURI)
	if err != nil {
		badRequest(w, r, err.Error())
		return
	}
	early, err := c.takeOver(w)
	if err != nil {
		panic(fmt.Sprintf("hijack: %v", err)) // an HTTP/1 connection can always be hijacked
	}
	c.release(&request{protocol: Connect, target: to, early: early, dialect: connectDialect{browser: browser.PageMayRead(r)}})
}

// takeOver takes the connection over from net/http and returns what the client has sent after its request.
func (c *httpClient) takeOver(w http.ResponseWriter) ([]byte, error) {
	if !c.requests.whole.Load() {
		return nil, errors.New("the target takes the connection over before it has the request")
	}
	if _, _, err := http.NewResponseController(w).Hijack(); err != nil {
		return nil, err
	}
	return c.requests.rest(), nil
}

// page serves a request to the proxy itself. Any web site that the user's browser shows can make such a request, also
// under a name that resolves to this machine (DNS rebinding). So the Host must be a name of the loopback, the request
// must come from this machine, and no page of another site may have made it. Other requests do not learn that there is
// a proxy: their connection ends without an answer.
func (c *httpClient) page(w http.ResponseWriter, r *http.Request) {
	pages := c.conn.server.config.Load().Pages
	asked, err := url.ParseRequestURI(r.RequestURI)
	switch {
	case !browser.IsOwnRequest(r, c.RemoteAddr(), c.LocalAddr()):
		c.hide(oneLine(r.Host), "this proxy's own pages were asked for by another name, or for a page of another site")
	case pages == nil:
		badRequest(w, r, "this is a proxy; ask it for absolute URLs or CONNECT")
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		sayHTTP(w, r, Answer{Status: http.StatusMethodNotAllowed, Text: "this proxy's own pages can only be read"})
	case err != nil:
		badRequest(w, r, "this proxy has no page of that name")
	default:
		r.URL = asked
		header := answerHeader(w.Header(), Answer{})
		confine(header)
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		pages.ServeHTTP(w, r)
	}
}

// hide ends the connection of a request without an answer, and the handler with it.
func (c *httpClient) hide(host, reason string) {
	if n, ok := c.conn.server.gate.hidden.Admit(time.Now()); ok {
		c.conn.config.Log.Info().Uint64("conn", c.conn.id).Str("host", host).Str("reason", reason).Int("others", n).
			Msg("request not answered")
	}
	panic(http.ErrAbortHandler)
}

// connectDialect answers HTTP CONNECT (RFC 9110 9.3.6).
type connectDialect struct {
	browser bool // browsers do not show the text of a refusal, but some once did
}

func (connectDialect) accept(w io.Writer) error {
	_, err := io.WriteString(w, "HTTP/1.1 200 Connection established\r\n\r\n")
	return err
}

func (d connectDialect) refuse(w io.Writer, answer Answer) error {
	if d.browser {
		answer.Text = answer.Public
	}
	body := answer.Text + "\n"
	response := http.Response{
		StatusCode: answer.Status, ProtoMajor: 1, ProtoMinor: 1, Close: true,
		Header:        answerHeader(http.Header{}, answer),
		ContentLength: int64(len(body)),
		Body:          io.NopCloser(strings.NewReader(body)),
	}
	return response.Write(w)
}
