package proxy_test

import (
	"bufio"
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"fairlead/proxy"
	"fairlead/proxy/dialtest"
	outside "fairlead/proxy/direct"
	"fairlead/proxy/upstream"
)

func TestDirectIsADialer(t *testing.T) {
	suite := dialtest.Loopback(t)
	suite.Dialer = outside.Dialer{Policy: outside.Policy{
		Allow:    func(to netip.AddrPort) bool { return to.Addr().IsLoopback() },
		Resolver: names(t, nil),
	}}
	suite.Unknown, suite.Forbidden, suite.Hangs = "nobody.example:80", "169.254.169.254:80", hangs(t)
	dialtest.Run(t, suite)
}

// A tunnel through the proxy must be as good a connection as the Dialer's own.
func TestSOCKS5TunnelIsADialer(t *testing.T) {
	suite := behindProxy(t)
	suite.Dialer = socksDialer(open(t, withFailures()).addr)
	suite.NotReady = ""
	suite.Without = map[dialtest.Part]string{dialtest.NotReadyIsReported: oneReply}
	dialtest.Run(t, suite)
}

func TestConnectTunnelIsADialer(t *testing.T) {
	suite := behindProxy(t)
	suite.Dialer = connectDialer(open(t, withFailures()).addr)
	dialtest.Run(t, suite)
}

// A way through a forward proxy must be as good as the Dialer behind it; that proxy is our own.
func TestUpstreamIsADialer(t *testing.T) {
	plain := open(t, withFailures())
	a := newAuthority(t)
	behindTLS := open(t, a.secured(withFailures()))
	for _, address := range []string{"http://" + plain.addr, "https://" + behindTLS.addr, "socks5://" + plain.addr} {
		via := mustURL(address)
		t.Run(via.Scheme, func(t *testing.T) {
			suite := behindProxy(t)
			way := byUpstream(address)
			way.UpstreamTLS = a.clientTLS(a.issue("client", x509.ExtKeyUsageClientAuth))
			suite.Dialer = way
			if via.Scheme == "socks5" {
				suite.Unknown = ""
				suite.Without = map[dialtest.Part]string{dialtest.UnknownIsReported: oneReply}
			}
			dialtest.Run(t, suite)
		})
	}
}

// So must a way through a chain of them, with each kind of link.
func TestAChainOfUpstreamsIsADialer(t *testing.T) {
	a := newAuthority(t)
	config := a.clientTLS(a.issue("client", x509.ExtKeyUsageClientAuth))
	chain := []upstream.Proxy{
		{URL: mustURL("socks5://" + open(t, withFailures()).addr)},
		{URL: mustURL("https://" + open(t, a.secured(withFailures())).addr), TLS: config},
		{URL: mustURL("https://" + open(t, a.secured(withFailures())).addr), TLS: config},
		{URL: mustURL("http://" + open(t, withFailures()).addr)},
	}
	through := upstream.Dialer{DialContext: new(net.Dialer).DialContext}
	suite := behindProxy(t)
	suite.Dialer = dialerFunc(func(ctx context.Context, _, address string) (net.Conn, error) {
		return through.Dial(ctx, address, chain...)
	})
	dialtest.Run(t, suite)
}

// So must a way through the upstreams of the settings: of each kind, also inside TLS, in turn, and from within a cluster.
func TestThroughIsADialer(t *testing.T) {
	a := newAuthority(t)
	config := a.clientTLS(a.issue("client", x509.ExtKeyUsageClientAuth))
	plain, behindTLS := "://"+open(t, withFailures()).addr, "://"+open(t, a.secured(withFailures())).addr
	for name, chain := range map[string][]upstream.Proxy{
		"http":           {{URL: mustURL("http" + plain)}},
		"https":          {{URL: mustURL("https" + behindTLS), TLS: config}},
		"http over TLS":  {{URL: mustURL("http" + behindTLS), TLS: config, Secure: true}},
		"socks over TLS": {{URL: mustURL("socks5h" + behindTLS), TLS: config, Secure: true}},
		"two":            {{URL: mustURL("socks5h" + behindTLS), TLS: config, Secure: true}, {URL: mustURL("https" + behindTLS), TLS: config}},
		"in a cluster":   {{URL: mustURL("http" + plain)}},
	} {
		t.Run(name, func(t *testing.T) {
			suite := behindProxy(t)
			through := outside.Through{Chain: chain, Policy: outside.Policy{Allow: func(netip.AddrPort) bool { return true }, Unresolved: true, Resolver: names(t, nil)}}
			if name == "in a cluster" {
				through.Cluster = new(net.Dialer).DialContext
			}
			suite.Dialer = through
			if name == "socks over TLS" {
				suite.Unknown = ""
				suite.Without = map[dialtest.Part]string{dialtest.UnknownIsReported: oneReply}
			}
			dialtest.Run(t, suite)
		})
	}
}

const oneReply = "SOCKS5 has one reply for a host that does not exist and one that cannot be reached"

// behindProxy is what a proxy that is configured by withFailures leads to.
func behindProxy(t *testing.T) dialtest.Suite {
	suite := dialtest.Loopback(t)
	suite.Unknown, suite.NotReady, suite.Forbidden = "nobody.example:443", "idle.example:443", "secret.example:443"
	suite.Hangs = hangs(t)
	suite.Without = nil
	return suite
}

// withFailures configures a proxy that dials from this machine and knows a host that is not ready and one that is not allowed.
func withFailures() proxy.Config {
	return by(func(ctx context.Context, network, address string) (net.Conn, error) {
		switch address {
		case "idle.example:443":
			return nil, syscall.EHOSTUNREACH
		case "secret.example:443":
			return nil, fs.ErrPermission
		}
		return through{}.DialContext(ctx, network, address)
	})
}

// hangs returns an address whose listener's backlog is full: the kernel drops what else wants to connect.
func hangs(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return address
}

// asking is a client of a proxy: it sends request and lets answer judge what comes back, under the context of the dial.
func asking(proxyAddr string, request func(address string) []byte, answer func(address string, r *bufio.Reader) error) dialerFunc {
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", proxyAddr)
		if err != nil {
			return nil, err
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		defer stop()
		ahead := bufio.NewReader(conn)
		_, err = conn.Write(request(address))
		if err == nil {
			err = answer(address, ahead)
		}
		if err != nil {
			_ = conn.Close()
			return nil, cmp.Or(ctx.Err(), err)
		}
		return aheadConn{conn.(*net.TCPConn), ahead}, nil
	}
}

type aheadConn struct {
	*net.TCPConn
	ahead *bufio.Reader
}

func (c aheadConn) Read(p []byte) (int, error) { return c.ahead.Read(p) }

func (c aheadConn) WriteTo(w io.Writer) (int64, error) { return c.ahead.WriteTo(w) }

func socksDialer(proxyAddr string) proxy.Dialer {
	return asking(proxyAddr, socksRequest, func(address string, r *bufio.Reader) error {
		answer := make([]byte, 12)
		if _, err := io.ReadFull(r, answer); err != nil {
			return err
		}
		switch answer[3] {
		case 0:
			return nil
		case 2:
			return fs.ErrPermission
		case 4:
			return &net.DNSError{Err: "no such host", Name: address, IsNotFound: true}
		case 5:
			return syscall.ECONNREFUSED
		}
		return fmt.Errorf("SOCKS reply %d", answer[3])
	})
}

func connectDialer(proxyAddr string) proxy.Dialer {
	return asking(proxyAddr, func(address string) []byte {
		return fmt.Appendf(nil, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", address)
	}, func(address string, r *bufio.Reader) error {
		response, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
		if err != nil || response.StatusCode == http.StatusOK {
			return err
		}
		body, err := io.ReadAll(response.Body)
		switch text := string(body); {
		case err != nil:
			return err
		case strings.Contains(text, "refused"):
			return syscall.ECONNREFUSED
		case strings.Contains(text, "no such host"):
			return &net.DNSError{Err: "no such host", Name: address, IsNotFound: true}
		case response.StatusCode == http.StatusForbidden:
			return fs.ErrPermission
		case response.StatusCode == http.StatusServiceUnavailable:
			return syscall.EHOSTUNREACH
		}
		return fmt.Errorf("%s: %s", response.Status, body)
	})
}
