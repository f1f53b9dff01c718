package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// errOwn is a forward proxy that is one of this program's own.
var errOwn = errors.New("that proxy is this program's own")

// maxUpstreamHead bounds what a forward proxy may say in answer to CONNECT.
const maxUpstreamHead = 64 << 10

// An UpstreamError is a forward proxy that could not be reached, or did not connect. Err is in the words of package net,
// as a Dialer's.
type UpstreamError struct {
	Proxy string // host:port
	Err   error
}

func (e *UpstreamError) Error() string { return fmt.Sprintf("through proxy %s: %v", e.Proxy, e.Err) }

// Unwrap gives Err.
func (e *UpstreamError) Unwrap() error { return e.Err }

// EnvironmentProxy returns the forward proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, or their lower-case
// forms, name for a URL, as they are now; nil for none. A variable that cannot be read is an *UpstreamError.
func EnvironmentProxy(to *url.URL) (*url.URL, error) {
	config := httpproxy.FromEnvironment()
	all := os.Getenv("ALL_PROXY")
	if all == "" {
		all = os.Getenv("all_proxy")
	}
	if config.HTTPProxy == "" {
		config.HTTPProxy = all
	}
	if config.HTTPSProxy == "" {
		config.HTTPSProxy = all
	}
	name, value := "HTTPS_PROXY", &config.HTTPSProxy
	if to.Scheme == "http" {
		name, value = "HTTP_PROXY", &config.HTTPProxy
	}
	if isProxyURL(*value) {
		return config.ProxyFunc()(to)
	}
	*value = "unreadable.invalid" // the library would go without one that it cannot read
	via, err := config.ProxyFunc()(to)
	if via != nil {
		return nil, &UpstreamError{Proxy: name, Err: errors.New("the environment's variable is not a URL")}
	}
	return nil, err
}

// isProxyURL reports whether a variable's value is empty or a URL, with its scheme or without.
func isProxyURL(value string) bool {
	_, err := url.Parse(value)
	if err != nil {
		_, err = url.Parse("http://" + value)
	}
	return err == nil
}

// Forward returns the forward proxy on the way to address, nil for none. It refuses what may not be asked of one.
func (d Direct) Forward(ctx context.Context, address string) (*url.URL, error) {
	find := d.Upstream
	if find == nil {
		find = EnvironmentProxy
	}
	to := &url.URL{Scheme: "https", Host: address}
	if strings.HasSuffix(address, ":80") {
		to.Scheme = "http"
	}
	via, err := find(to)
	if err != nil || via == nil || d.leadsHere(via) {
		return nil, err
	}
	return via, d.checkForward(ctx, via, address)
}

// leadsHere tells whether a forward proxy is seen to be one of this program's own by its URL alone.
func (d Direct) leadsHere(via *url.URL) bool {
	hosts := []string{via.Hostname()}
	if strings.EqualFold(hosts[0], "localhost") {
		hosts = []string{"127.0.0.1", "::1"}
	}
	for _, host := range hosts {
		to, err := netip.ParseAddrPort(net.JoinHostPort(host, forwardPort(via)))
		if err == nil && d.Own != nil && d.Own(to) {
			return true
		}
	}
	return false
}

// forwardPort is the port of a forward proxy.
func forwardPort(via *url.URL) string {
	if port := via.Port(); port != "" {
		return port
	}
	return map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[via.Scheme]
}

// through connects to address by a forward proxy.
func (d Direct) through(ctx context.Context, via *url.URL, address string) (net.Conn, error) {
	conn, err := d.DialForward(ctx, via)
	if err != nil {
		return nil, err
	}
	// The handshake knows no contexts: a deadline that has passed ends it.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	tunnel, err := upstreamTunnel(conn, via, address)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, &UpstreamError{Proxy: via.Host, Err: inTime(ctx, err)}
	}
	return tunnel, nil
}

// DialForward connects to a forward proxy itself, inside TLS where its scheme is https.
func (d Direct) DialForward(ctx context.Context, via *url.URL) (net.Conn, error) {
	switch via.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return nil, &UpstreamError{Proxy: via.Host, Err: fmt.Errorf("proxies of the kind %.20q: %w", via.Scheme, errors.ErrUnsupported)}
	}
	var own atomic.Bool // of several addresses, any
	dialer := net.Dialer{
		KeepAlive: keepAlive,
		Resolver:  d.Resolver,
		ControlContext: func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
			if to, err := netip.ParseAddrPort(resolved); err == nil && d.Own != nil && d.Own(to) {
				own.Store(true)
				return errOwn
			}
			return nil
		},
	}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(via.Hostname(), forwardPort(via)))
	switch {
	case own.Load():
		if err == nil {
			_ = conn.Close()
		}
		return nil, errOwn
	case err != nil:
		// The target was not asked: its way is down, and nobody there refused.
		return nil, &UpstreamError{Proxy: via.Host, Err: fmt.Errorf("%w (%s)", syscall.ENETUNREACH, plainReason(err))}
	case via.Scheme != "https":
		return conn, nil
	}
	return d.secure(ctx, conn, via)
}

// plainReason is the text of a dial's error without the addresses and the words that errors.Is would find.
func plainReason(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.Err
	}
	return err.Error()
}

// secure leads the TLS handshake with an https forward proxy.
func (d Direct) secure(ctx context.Context, conn net.Conn, via *url.URL) (net.Conn, error) {
	config := &tls.Config{}
	if d.UpstreamTLS != nil {
		config = d.UpstreamTLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = via.Hostname()
	}
	config.NextProtos = []string{"http/1.1"}
	secured := &tlsConn{Conn: tls.Client(conn, config), plain: conn}
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, &UpstreamError{Proxy: via.Host, Err: fmt.Errorf("TLS: %w", inTime(ctx, err))}
	}
	return secured, nil
}

// upstreamTunnel asks a forward proxy for a tunnel.
func upstreamTunnel(conn net.Conn, via *url.URL, address string) (net.Conn, error) {
	if via.Scheme == "socks5" || via.Scheme == "socks5h" {
		return conn, askUpstreamSOCKS5(conn, via.User, address)
	}
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	if user := via.User; user != nil {
		password, _ := user.Password()
		request.SetBasicAuth(user.Username(), password)
		request.Header["Proxy-Authorization"] = request.Header["Authorization"]
		delete(request.Header, "Authorization")
	}
	request.Header.Set("User-Agent", pseudonym)
	if err := request.Write(conn); err != nil {
		return nil, err
	}
	ahead := bufio.NewReader(io.LimitReader(conn, maxUpstreamHead))
	response, err := http.ReadResponse(ahead, request)
	if err != nil {
		return nil, fmt.Errorf("answer to CONNECT: %w", err)
	}
	if response.StatusCode/100 != 2 {
		return nil, connectError(address, response)
	}
	if ahead.Buffered() == 0 {
		return conn, nil
	}
	early, _ := ahead.Peek(ahead.Buffered()) // cannot fail: they are there
	return &sniffed{Conn: conn, early: bytes.Clone(early)}, nil
}

// connectError is the refusal of CONNECT in package net's words, by the error type of RFC 9209 where there is one.
func connectError(address string, response *http.Response) error {
	status := response.StatusCode
	reason := func(err error) error { return fmt.Errorf("CONNECT was answered with %d: %w", status, err) }
	host, _, _ := net.SplitHostPort(address)
	switch said := response.Header.Get("Proxy-Status"); {
	case strings.Contains(said, "error=dns_error"), strings.Contains(said, "error=destination_not_found"):
		return reason(&net.DNSError{Err: "no such host", Name: host, IsNotFound: true})
	case strings.Contains(said, "error=connection_refused"):
		return reason(syscall.ECONNREFUSED)
	}
	switch status {
	case http.StatusForbidden, http.StatusProxyAuthRequired, http.StatusUnavailableForLegalReasons:
		return reason(fs.ErrPermission)
	case http.StatusGatewayTimeout:
		return reason(os.ErrDeadlineExceeded)
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusNotFound:
		return reason(syscall.EHOSTUNREACH)
	}
	return fmt.Errorf("CONNECT was answered with %d", status)
}
