package way

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConnectRequestNamesTheTarget(t *testing.T) {
	tests := map[string]string{
		"bench.default:80": "\x05\x01\x00\x03\x0dbench.default\x00\x50",
		"10.244.0.7:8080":  "\x05\x01\x00\x01\x0a\xf4\x00\x07\x1f\x90",
	}
	for address, want := range tests {
		if got, err := connectRequest(address); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", address, got, err, want)
		}
	}
	for _, broken := range []string{"", "host", "host:http", "host:70000", strings.Repeat("a", 256) + ":1"} {
		if got, err := connectRequest(broken); err == nil {
			t.Errorf("%q gives %q", broken, got)
		}
	}
}

// proxyThat starts a proxy that accepts one connection, reads a greeting and a request, and answers.
func proxyThat(t *testing.T, method, answer string) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.ReadFull(conn, make([]byte, 3))
		_, _ = io.WriteString(conn, method)
		_, _ = io.ReadFull(conn, make([]byte, 10))
		_, _ = io.WriteString(conn, answer)
		_, _ = io.Copy(io.Discard, conn)
	}()
	t.Cleanup(func() {
		listener.Close()
		<-done
	})
	return listener.Addr().String()
}

func TestSOCKS5RepliesAreReported(t *testing.T) {
	const target = "10.244.0.7:8080"
	for name, answer := range map[string]string{
		"IPv4": "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00first",
		"IPv6": "\x05\x00\x00\x04" + strings.Repeat("\x00", 18) + "first",
		"name": "\x05\x00\x00\x03\x04name\x00\x00first",
	} {
		conn, err := dialSOCKS5(t.Context(), proxyThat(t, "\x05\x00", answer), target)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		first := make([]byte, 5)
		if _, err := io.ReadFull(conn, first); err != nil || !bytes.Equal(first, []byte("first")) {
			t.Errorf("%s: then came %q, %v", name, first, err)
		}
		conn.Close()
	}
	_, err := dialSOCKS5(t.Context(), proxyThat(t, "\x05\x00", "\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"), target)
	var refused *Refused
	if !errors.As(err, &refused) || refused.Code != 5 {
		t.Errorf("a refusal is %v", err)
	}
	if _, err := dialSOCKS5(t.Context(), proxyThat(t, "\x05\x02", ""), target); err == nil || errors.As(err, &refused) {
		t.Errorf("a required password is %v", err)
	}
}

func TestASilentProxyIsLeftWhenTheTimeIsUp(t *testing.T) {
	proxy := proxyThat(t, "", "")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := dialSOCKS5(ctx, proxy, "10.244.0.7:8080"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestKubectlSaysWhichPortItForwards(t *testing.T) {
	local, remote, err := parseForwarding("Forwarding from 127.0.0.1:41231 -> 8080")
	if err != nil || local != 41231 || remote != 8080 {
		t.Errorf("%d, %d, %v", local, remote, err)
	}
	for _, other := range []string{"", "Handling connection for 41231", "Forwarding from [::1]:41231 -> 8080"} {
		if _, _, err := parseForwarding(other); err == nil {
			t.Errorf("%q is accepted", other)
		}
	}
}

// Ports that the system chooses for outgoing connections may be taken again before the proxy listens on them: the far side and
// kubectl make hundreds.
func TestAProxyListensWhereNoClientDoes(t *testing.T) {
	const firstEphemeral = 32768 // on Linux
	proxy := &Proxy{Label: "proxy", Command: []string{"sh", "-c", "echo up; exec cat"}, Announces: true}
	w, err := proxy.Open(t.Context(), Site{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	address, err := netip.ParseAddrPort(w.(*Proxied).address)
	if err != nil || address.Port() >= firstEphemeral {
		t.Errorf("it listens on %v, %v", address, err)
	}
}
