package portforward

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/things-go/go-socks5"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd/api"

	"fairlead/build/proxytest"
	"fairlead/kube/fault"
)

// carried makes a connection with cfg over each protocol, and returns the header of the last upgrade.
func carried(t *testing.T, w *world, cfg *rest.Config) (header http.Header) {
	t.Helper()
	for _, protocol := range []string{ProtocolSPDY, ProtocolWebSocket} {
		f, err := New(Config{REST: cfg, Protocol: protocol})
		if err != nil {
			t.Fatal(err)
		}
		run(t, f)
		if _, err := request(t, f, at(7)); err != nil {
			t.Fatalf("over %s: %v", protocol, err)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.headers[len(w.headers)-1]
}

func TestCredentialsOfAKubeconfig(t *testing.T) {
	dir := t.TempDir()
	tokenFile := filepath.Join(dir, "token")
	writeFile(t, tokenFile, "from-a-file", 0o600)
	plugin := filepath.Join(dir, "plugin")
	writeFile(t, plugin, "#!/bin/sh\necho '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{\"token\":\"from-a-plugin\"}}'\n", 0o700)
	bearer := func(token string) func(http.Header) bool {
		return func(h http.Header) bool { return h.Get("Authorization") == "Bearer "+token }
	}
	cases := map[string]struct {
		change func(*rest.Config)
		want   func(http.Header) bool
	}{
		"token":     {func(c *rest.Config) { c.BearerToken = "inline" }, bearer("inline")},
		"tokenFile": {func(c *rest.Config) { c.BearerTokenFile = tokenFile }, bearer("from-a-file")},
		"exec plugin": {func(c *rest.Config) {
			c.ExecProvider = &api.ExecConfig{Command: plugin, APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: api.NeverExecInteractiveMode}
		}, bearer("from-a-plugin")},
		"basic auth": {func(c *rest.Config) { c.Username, c.Password = "user", "pass" }, func(h http.Header) bool {
			return h.Get("Authorization") == "Basic "+base64.StdEncoding.EncodeToString([]byte("user:pass"))
		}},
		"impersonation": {func(c *rest.Config) {
			c.BearerToken = "mine"
			c.Impersonate = rest.ImpersonationConfig{UserName: "jane", Groups: []string{"a", "b"}, UID: "7", Extra: map[string][]string{"scopes": {"x"}}}
		}, func(h http.Header) bool {
			return h.Get("Authorization") == "Bearer mine" && h.Get("Impersonate-User") == "jane" && len(h.Values("Impersonate-Group")) == 2 &&
				h.Get("Impersonate-Uid") == "7" && h.Get("Impersonate-Extra-Scopes") == "x"
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			cfg := w.rest()
			cfg.BearerToken = ""
			c.change(cfg)
			if h := carried(t, w, cfg); !c.want(h) {
				t.Errorf("the API server saw %v", h)
			}
		})
	}
}

func TestPluginThatFailsIsALoginFailure(t *testing.T) {
	w := newWorld(t)
	cfg := w.rest()
	cfg.BearerToken = ""
	cfg.ExecProvider = &api.ExecConfig{Command: "/nonexistent/plugin", APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: api.NeverExecInteractiveMode}
	f := w.forwarder(func(c *Config) { c.REST, c.Context = cfg, "prod" })
	_, err := dial(t, f, at(7))
	if login, ok := errors.AsType[*fault.Login](err); !ok || login.Plugin != "/nonexistent/plugin" || login.Context != "prod" {
		t.Fatalf("got %T %v", err, err)
	}
}

// An authority signs certificates for these tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issue returns a certificate and its key, in PEM.
func (a *authority) issue(t *testing.T, name string, hosts ...string) (cert, key []byte) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: hosts,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, k.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
}

func writeFile(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// mutual starts a TLS front of w as host that requires client certificates. who returns the name in the last one.
func mutual(t *testing.T, w *world, a *authority, host string) (address string, who func() string) {
	cert, key := a.issue(t, "server", host)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	var last atomic.Value
	last.Store("")
	relayTo(t, ln, func(c net.Conn) (net.Conn, error) {
		front := c.(*tls.Conn)
		if err := front.Handshake(); err != nil {
			return nil, err
		}
		if peers := front.ConnectionState().PeerCertificates; len(peers) > 0 {
			last.Store(peers[0].Subject.CommonName)
		}
		return tls.Dial("tcp", w.server.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	})
	return ln.Addr().String(), func() string { return last.Load().(string) }
}

// relayTo relays the connections of ln to what dial returns.
func relayTo(t *testing.T, ln net.Listener, dial func(net.Conn) (net.Conn, error)) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, near)
			mu.Unlock()
			wg.Go(func() {
				defer near.Close()
				far, err := dial(near)
				if err != nil {
					return
				}
				mu.Lock()
				open = append(open, far)
				mu.Unlock()
				wg.Go(func() { io.Copy(near, far); near.Close() })
				io.Copy(far, near)
				far.Close()
			})
		}
	})
}

func TestClientCertificatesAndServerNames(t *testing.T) {
	a := newAuthority(t)
	dir := t.TempDir()
	cert, key := a.issue(t, "alice")
	certFile, keyFile, caFile := filepath.Join(dir, "crt"), filepath.Join(dir, "key"), filepath.Join(dir, "ca")
	writeFile(t, certFile, string(cert), 0o600)
	writeFile(t, keyFile, string(key), 0o600)
	writeFile(t, caFile, string(a.pem), 0o600)
	status := execCredential(string(cert), string(key))
	plugin := filepath.Join(dir, "plugin")
	writeFile(t, plugin, "#!/bin/sh\ncat <<'END'\n"+status+"\nEND\n", 0o700)
	for name, c := range map[string]rest.Config{
		"inline": {TLSClientConfig: rest.TLSClientConfig{CertData: cert, KeyData: key, CAData: a.pem, ServerName: "api.example"}},
		"files":  {TLSClientConfig: rest.TLSClientConfig{CertFile: certFile, KeyFile: keyFile, CAFile: caFile, ServerName: "api.example"}},
		"exec plugin": {
			TLSClientConfig: rest.TLSClientConfig{CAData: a.pem, ServerName: "api.example"},
			ExecProvider:    &api.ExecConfig{Command: plugin, APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: api.NeverExecInteractiveMode},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			address, who := mutual(t, w, a, "api.example")
			c.Host = "https://" + address
			carried(t, w, &c)
			if who() != "alice" {
				t.Errorf("the API server saw %q", who())
			}
		})
	}
	t.Run("wrong server name", func(t *testing.T) {
		w := newWorld(t)
		address, _ := mutual(t, w, a, "api.example")
		f := w.forwarder(func(c *Config) {
			c.REST = &rest.Config{Host: "https://" + address, TLSClientConfig: rest.TLSClientConfig{CAData: a.pem}}
		})
		if _, err := dial(t, f, at(7)); !strings.Contains(fmt.Sprint(err), "x509") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("insecure", func(t *testing.T) {
		w := newWorld(t)
		carried(t, w, &rest.Config{Host: w.server.URL, TLSClientConfig: rest.TLSClientConfig{Insecure: true}})
	})
}

func TestURLWithAPathPrefix(t *testing.T) {
	w := newWorld(t)
	var path atomic.Value
	f := func(_ http.ResponseWriter, r *http.Request) bool { path.Store(r.URL.Path); return false }
	w.refuse.Store(&f)
	cfg := w.rest()
	cfg.Host += "/k8s/clusters/c-1/"
	carried(t, w, cfg)
	if got := path.Load(); got != "/k8s/clusters/c-1/api/v1/namespaces/ns/pods/pod/portforward" {
		t.Errorf("asked for %v", got)
	}
}

func TestPlainHTTP(t *testing.T) {
	w := newWorld(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	relayTo(t, ln, func(net.Conn) (net.Conn, error) {
		return tls.Dial("tcp", w.server.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	})
	carried(t, w, &rest.Config{Host: "http://" + ln.Addr().String()})
}

// connectProxy starts an HTTP proxy. seen returns the CONNECT requests that it got.
func connectProxy(t *testing.T, secure bool) (proxy *httptest.Server, seen func() []string) {
	var mu sync.Mutex
	var requests []string
	var tunnels sync.WaitGroup
	var open []net.Conn
	proxy = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		requests = append(requests, r.Method+" "+r.Host+" "+r.Header.Get("Proxy-Authorization"))
		mu.Unlock()
		far, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		near, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		mu.Lock()
		open = append(open, near, far)
		mu.Unlock()
		io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n")
		tunnels.Go(func() { io.Copy(near, far); near.Close() })
		tunnels.Go(func() { io.Copy(far, near); far.Close() })
	}))
	if secure {
		proxy.TLS = &tls.Config{NextProtos: []string{"http/1.1"}}
		proxy.StartTLS()
	} else {
		proxy.Start()
	}
	t.Cleanup(func() {
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		proxy.Close()
		tunnels.Wait()
	})
	return proxy, func() []string { mu.Lock(); defer mu.Unlock(); return append([]string(nil), requests...) }
}

func TestProxyOfAKubeconfig(t *testing.T) {
	via := func(t *testing.T, w *world, address, scheme string) {
		t.Helper()
		cfg := w.rest()
		u := &url.URL{Scheme: scheme, Host: address, User: url.UserPassword("me", "pa:ss")}
		cfg.Proxy = http.ProxyURL(u)
		carried(t, w, cfg)
	}
	t.Run("http", func(t *testing.T) {
		w := newWorld(t)
		proxy, seen := connectProxy(t, false)
		via(t, w, proxy.Listener.Addr().String(), "http")
		want := "CONNECT " + w.server.Listener.Addr().String() + " Basic " + base64.StdEncoding.EncodeToString([]byte("me:pa:ss"))
		if got := seen(); len(got) == 0 || got[0] != want {
			t.Errorf("the proxy saw %q", got)
		}
	})
	t.Run("https", func(t *testing.T) {
		w := newWorld(t)
		proxy, seen := connectProxy(t, true)
		cfg := w.rest()
		cfg.Proxy = http.ProxyURL(&url.URL{Scheme: "https", Host: proxy.Listener.Addr().String()})
		f, err := New(Config{REST: cfg})
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AddCert(proxy.Certificate())
		f.pool.up.route.proxyRoots = pool
		run(t, f)
		if _, err := request(t, f, at(7)); err != nil || len(seen()) == 0 {
			t.Errorf("%v, and the proxy saw %q", err, seen())
		}
	})
	t.Run("socks5", func(t *testing.T) {
		w := newWorld(t)
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var served sync.WaitGroup
		var mu sync.Mutex
		var open []net.Conn
		server := socks5.NewServer(socks5.WithCredential(socks5.StaticCredentials{"me": "pa:ss"}))
		served.Go(func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				mu.Lock()
				open = append(open, c)
				mu.Unlock()
				served.Go(func() { server.ServeConn(c) })
			}
		})
		t.Cleanup(func() {
			ln.Close()
			mu.Lock()
			for _, c := range open {
				c.Close()
			}
			mu.Unlock()
			w.cut()
			served.Wait()
		})
		via(t, w, ln.Addr().String(), "socks5")
		if len(open) == 0 {
			t.Error("the proxy got no connection")
		}
	})
	t.Run("environment", func(t *testing.T) {
		w := newWorld(t)
		proxy, seen := connectProxy(t, false)
		t.Setenv("HTTPS_PROXY", "http://"+proxy.Listener.Addr().String())
		t.Setenv("NO_PROXY", "")
		_, port, _ := net.SplitHostPort(w.server.Listener.Addr().String()) // it has one
		cfg := w.rest()
		cfg.Host = "https://example.com:" + port // loopback goes past proxies
		f, err := New(Config{REST: cfg})
		if err != nil {
			t.Fatal(err)
		}
		run(t, f)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if c, err := f.Dial(ctx, at(7), nil); err == nil {
			c.Close()
		}
		if got := seen(); len(got) == 0 || !strings.HasPrefix(got[0], "CONNECT example.com:"+port) {
			t.Errorf("the proxy saw %q", got)
		}
		t.Setenv("NO_PROXY", "example.com")
		before := len(seen())
		excepted, err := newUpgrader(Config{REST: cfg})
		if err != nil {
			t.Fatal(err)
		}
		if u, err := excepted.route.proxyFor(excepted.route.base); u != nil || err != nil {
			t.Errorf("NO_PROXY: %v, %v (%d)", u, err, before)
		}
	})
	t.Run("a proxy that refuses", func(t *testing.T) {
		w := newWorld(t)
		proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusProxyAuthRequired) }))
		t.Cleanup(proxy.Close)
		f := w.forwarder(func(c *Config) {
			c.REST.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: proxy.Listener.Addr().String(), User: url.UserPassword("me", "secret-token")})
		})
		_, err := dial(t, f, at(7))
		if _, ok := errors.AsType[*fault.Unreachable](err); !ok || !strings.Contains(err.Error(), "407") || containsToken(err.Error()) {
			t.Errorf("got %v", err)
		}
	})
}

func TestTheErrorOfASilentProxyNamesTheProxy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	silent := proxytest.Silent(t)
	f := w.forwarder(func(c *Config) {
		c.REST.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: silent})
		c.ProxySource = fault.ProxyKubeconfig
	})
	_, err := dial(t, f, at(7))
	via, ok := errors.AsType[*fault.Proxy](err)
	if _, away := errors.AsType[*fault.Unreachable](err); !ok || !away || via.Proxy != silent || via.Source != fault.ProxyKubeconfig || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestChangedCredentialsRetireSessions(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "token")
	writeFile(t, file, "old", 0o600)
	f := w.forwarder(func(c *Config) { c.REST.BearerToken, c.REST.BearerTokenFile = "", file })
	open := mustDial(t, f, 7)
	defer open.Close()
	echoes(t, open, "hello")
	f.pool.mu.Lock()
	var before []*session
	for _, p := range f.pool.pods {
		before = append(before, p.sessions...)
	}
	f.pool.mu.Unlock()
	f.pool.mu.Lock()
	f.pool.useCredentials(identity{1}) // as after client-go has read the file again, which it does once a minute
	f.pool.mu.Unlock()
	for _, s := range before {
		f.pool.mu.Lock()
		retired, users := s.retired, s.users
		f.pool.mu.Unlock()
		if !retired || users == 0 && s.Err() == nil {
			t.Error("a session of the old credentials is kept")
		}
	}
	echoes(t, open, "an open connection lives on")
}

func TestCheckingCredentialsSeesChanges(t *testing.T) {
	a := newAuthority(t)
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "crt"), filepath.Join(dir, "key")
	replace := func(name string) {
		cert, key := a.issue(t, name)
		writeFile(t, keyFile, string(key), 0o600)
		writeFile(t, certFile, string(cert), 0o600)
	}
	replace("alice")
	u, err := newUpgrader(Config{REST: &rest.Config{Host: "https://127.0.0.1:1", TLSClientConfig: rest.TLSClientConfig{CertFile: certFile, KeyFile: keyFile}}})
	if err != nil {
		t.Fatal(err)
	}
	first, err := u.currentIdentity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := u.currentIdentity(t.Context()); err != nil || again != first {
		t.Fatalf("the same credentials look different: %v", err)
	}
	replace("alice again")
	eventually(t, "the new certificate is seen", func() bool {
		now, err := u.currentIdentity(t.Context())
		return err == nil && now != first
	})
}

func execCredential(cert, key string) string {
	escape := strings.NewReplacer("\n", `\n`)
	return fmt.Sprintf(`{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"clientCertificateData":"%s","clientKeyData":"%s"}}`,
		escape.Replace(cert), escape.Replace(key))
}
