package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"fairlead/proxy"
	"fairlead/proxy/dialtest"
)

func TestDirectIsADialer(t *testing.T) {
	suite := dialtest.Loopback(t)
	suite.Dialer = proxy.Direct{Allow: func(netip.AddrPort) bool { return true }}
	suite.Hangs = hangs(t)
	dialtest.Run(t, suite)
}

// A tunnel through the proxy must be as good a connection as the Dialer's own.
func TestSOCKS5TunnelIsADialer(t *testing.T) {
	suite := dialtest.Loopback(t)
	w := open(t, direct())
	suite.Dialer, suite.Unknown, suite.Hangs = socksDialer(w.addr), "nobody.example:80", hangs(t)
	dialtest.Run(t, suite)
}

func TestConnectTunnelIsADialer(t *testing.T) {
	suite := dialtest.Loopback(t)
	w := open(t, direct())
	suite.Dialer, suite.Unknown, suite.Hangs = connectDialer(w.addr), "nobody.example:80", hangs(t)
	dialtest.Run(t, suite)
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
			return nil, err
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
		}
		return fmt.Errorf("%s: %s", response.Status, body)
	})
}
