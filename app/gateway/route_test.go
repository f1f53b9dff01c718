package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"fairlead/proxy"
)

// A name of two labels that resolves here, or that only a forward proxy could judge, is not for a Service to take.
func TestANameIsPublicByWhatIsOutside(t *testing.T) {
	none := func(*url.URL) (*url.URL, error) { return nil, nil }
	away := func(*url.URL) (*url.URL, error) { return url.Parse("http://192.0.2.1:3128") }
	resolver := dnsOf(t, "example.com.")
	for _, row := range []struct {
		host     string
		upstream func(*url.URL) (*url.URL, error)
		want     bool
	}{{"example.com", none, true}, {"web.dev", none, false}, {"web.dev", away, true}} {
		got, err := isPublic(t.Context(), &proxy.Direct{Resolver: resolver, Upstream: row.upstream}, row.host)
		if got != row.want || err != nil {
			t.Errorf("%s: %v, %v", row.host, got, err)
		}
	}
	broken := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network") }}
	if got, err := isPublic(t.Context(), &proxy.Direct{Resolver: broken, Upstream: none}, "web.dev"); got || err == nil {
		t.Errorf("without DNS: %v, %v", got, err)
	}
}

// Who may make a namespace that is called com must not have http://example.com/ by it, unless the settings name that namespace.
func TestANamespaceThatIsCalledComTakesNoPublicName(t *testing.T) {
	kubectl(t, "create", "namespace", "com")
	defer kubectl(t, "delete", "namespace", "com", "--wait=false")
	kubectl(t, "create", "service", "clusterip", "example", "--tcp=80", "-n", "com")
	internet := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "outside: "+r.URL.String()) }))
	t.Cleanup(internet.Close)
	for _, row := range []struct{ settings, want string }{
		{"", "outside: http://example.com/"},
		{"  namespaces: [com]\n", "503"}, // the Service has no Pod
		{"  namespace: com\n", "503"},
	} {
		state := t.TempDir()
		writeFile(t, filepath.Join(state, "config", "fairlead", "config.yaml"), "defaults:\n  forward-unresolved: true\n"+row.settings)
		r := start(t, []string{
			"XDG_STATE_HOME=" + state, "XDG_CONFIG_HOME=" + filepath.Join(state, "config"), "XDG_RUNTIME_DIR=" + filepath.Join(state, "none"),
			"HTTP_PROXY=" + internet.URL, "HTTPS_PROXY=" + internet.URL, "http_proxy=" + internet.URL, "https_proxy=" + internet.URL, "NO_PROXY=", "no_proxy=",
		}, "serve", "--kubeconfig", cluster.Kubeconfig, "--listen", "127.0.0.1:0", "demo")
		_, address, _ := strings.Cut(r.line(t), "socks5h://")
		if said := run(t, "", "curl", "-sS", "-w", " %{http_code}", "--proxy", "http://"+address, "http://example.com/"); !strings.Contains(said, row.want) {
			t.Errorf("with %q in the settings a client gets %q, want %q", row.settings, said, row.want)
		}
		r.stop(t)
	}
}

// dnsOf returns a resolver that asks a DNS server which knows one name.
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
