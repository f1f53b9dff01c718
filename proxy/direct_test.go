package proxy_test

import (
	"io"
	"net/netip"
	"testing"

	"fairlead/proxy"
	outside "fairlead/proxy/direct"
)

func TestAClientIsToldThatDirectRefuses(t *testing.T) {
	w := open(t, proxy.Config{Rules: []proxy.Rule{{Name: "direct", Dialer: outside.Dialer{}}}})
	conn := w.connect()
	_, _ = conn.Write(socksRequest("localhost:80"))
	if code := readSOCKS(t, conn); code != 2 {
		t.Errorf("reply %d", code)
	}
}

func TestDirectConnectsToWhatIsAllowed(t *testing.T) {
	to := target(t, echo)
	allowed := netip.MustParseAddrPort(to)
	w := open(t, proxy.Config{Rules: []proxy.Rule{{Name: "direct", Dialer: outside.Dialer{Policy: outside.Policy{Allow: func(a netip.AddrPort) bool { return a == allowed }}}}}})
	conn := w.tunnel(to)
	_, _ = conn.Write([]byte("ping"))
	_ = conn.CloseWrite()
	if got, err := io.ReadAll(conn); err != nil || string(got) != "ping" {
		t.Errorf("%q, %v", got, err)
	}
}
