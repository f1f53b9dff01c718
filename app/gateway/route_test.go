package gateway

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"fairlead/proxy/direct"
)

// A name of two labels that resolves here, or that only a forward proxy can resolve, must not be routed to a Service.
func TestANameIsPublicByWhatIsOutside(t *testing.T) {
	none := func(*url.URL) (*url.URL, error) { return nil, nil }
	away := func(*url.URL) (*url.URL, error) { return url.Parse("http://192.0.2.1:3128") }
	resolver := dnsOf(t, "example.com.")
	for _, row := range []struct {
		host     string
		upstream func(*url.URL) (*url.URL, error)
		want     bool
	}{{"example.com", none, true}, {"web.dev", none, false}, {"web.dev", away, true}} {
		got, err := isPublic(t.Context(), direct.Dialer{Policy: direct.Policy{Resolver: resolver}, Upstream: row.upstream}, row.host)
		if got != row.want || err != nil {
			t.Errorf("%s: %v, %v", row.host, got, err)
		}
	}
	broken := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network") }}
	if got, err := isPublic(t.Context(), direct.Dialer{Policy: direct.Policy{Resolver: broken}, Upstream: none}, "web.dev"); got || err == nil {
		t.Errorf("without DNS: %v, %v", got, err)
	}
}

// A name whose route is an upstream may be known to it, and so is not taken by a Service.
func TestANameWithARouteThroughAnUpstreamIsPublic(t *testing.T) {
	o := outsideOf(t, "upstreams: {corp: {url: \"http://p\"}}\ndefaults: {outside: refuse, routes: [{to: [\"*.dev\"], via: corp}]}\n")
	o.direct = direct.Dialer{Policy: direct.Policy{Resolver: dnsOf(t, "example.com.")}, Upstream: func(*url.URL) (*url.URL, error) { return nil, nil }}
	for host, want := range map[string]bool{"web.dev": true, "web.app": false, "example.com": true} {
		if got, err := o.isPublic(t.Context(), host); got != want || err != nil {
			t.Errorf("%s: %t, %v", host, got, err)
		}
	}
}

// dnsOf returns a resolver whose DNS server knows one name.
func dnsOf(t *testing.T, known string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		buffer := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buffer[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.Additionals, m.RCode = true, nil, dnsmessage.RCodeNameError
			if strings.EqualFold(q.Name.String(), known) {
				m.RCode = dnsmessage.RCodeSuccess
				if q.Type == dnsmessage.TypeA {
					m.Answers = []dnsmessage.Resource{{
						Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60},
						Body:   &dnsmessage.AResource{A: netip.MustParseAddr("198.51.100.7").As4()},
					}}
				}
			}
			if answer, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	})
	t.Cleanup(func() {
		_ = conn.Close()
		serving.Wait()
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}
