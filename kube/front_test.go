package kube

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"fairlead/build/clustertest"
)

// A front is a TLS server before a real API server that answers chosen requests in its place. It does not forward client
// certificates, so users log in by token. Its certificate authority is in a file that the kubeconfig names.
type front struct {
	*httptest.Server
	token       string
	authority   string // path
	certificate atomic.Pointer[tls.Certificate]

	mu    sync.Mutex
	rules []*rule
	asked []string // "METHOD path"
}

// A rule answers matching requests: as many as times, or all of them if it is negative.
type rule struct {
	method string
	path   *regexp.Regexp
	query  string // part of the URL's query
	times  int
	status int
	header http.Header
	body   string
}

// newFront puts a front before the middlebox, which leads to the API server.
func newFront(t *testing.T, cluster *clustertest.Cluster) *front {
	t.Helper()
	config, err := clientcmd.LoadFromFile(cluster.KubeconfigMiddlebox)
	if err != nil {
		t.Fatal(err)
	}
	behind := config.Clusters[config.Contexts["demo"].Cluster]
	target, err := url.Parse(behind.Server)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	authority := behind.CertificateAuthorityData
	if len(authority) == 0 {
		if authority, err = os.ReadFile(behind.CertificateAuthority); err != nil {
			t.Fatal(err)
		}
	}
	roots.AppendCertsFromPEM(authority)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, NextProtos: []string{"http/1.1"}}}
	silent := log.New(io.Discard, "", 0)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		Transport: transport, FlushInterval: -1, ErrorLog: silent,
	}
	f := &front{token: config.AuthInfos[config.Contexts["demo"].AuthInfo].Token, authority: filepath.Join(t.TempDir(), "ca.crt")}
	ctx, cancel := context.WithCancel(context.Background())
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !f.answered(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	f.Config.ErrorLog = silent
	f.Config.BaseContext = func(net.Listener) context.Context { return ctx }
	f.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{NextProtos: []string{"http/1.1"}, Certificates: []tls.Certificate{*f.certificate.Load()}}, nil
	}}
	f.writeAuthority(t, f.renew(t))
	f.StartTLS()
	t.Cleanup(func() {
		cancel() // for upgraded connections, which the server does not close
		f.CloseClientConnections()
		f.Close()
		transport.CloseIdleConnections()
	})
	return f
}

// renew replaces the front's certificate by one of another authority, and returns that.
func (f *front) renew(t *testing.T) (authority []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "front " + serial.String()}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	f.certificate.Store(&tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func (f *front) writeAuthority(t *testing.T, authority []byte) {
	t.Helper()
	if err := os.WriteFile(f.authority+".new", authority, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(f.authority+".new", f.authority); err != nil {
		t.Fatal(err)
	}
}

// kubeconfig returns a kubeconfig for the front. change may replace its user's login.
func (f *front) kubeconfig(t *testing.T, change func(*clientcmdapi.AuthInfo)) string {
	t.Helper()
	user := &clientcmdapi.AuthInfo{Token: f.token}
	if change != nil {
		change(user)
	}
	path := filepath.Join(t.TempDir(), "config")
	if err := clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:  map[string]*clientcmdapi.Cluster{"front": {Server: f.URL, CertificateAuthority: f.authority}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{"user": user},
		Contexts:  map[string]*clientcmdapi.Context{"front": {Cluster: "front", AuthInfo: "user", Namespace: "default"}},
	}, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// obey adds a rule.
func (f *front) obey(r rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = append(f.rules, &r)
}

// pass ends all rules.
func (f *front) pass() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
}

// count returns the number of requests with a method for a path.
func (f *front) count(method, path string) (n int) {
	match := regexp.MustCompile("^" + method + " .*" + path)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, asked := range f.asked {
		if match.MatchString(asked) {
			n++
		}
	}
	return n
}

func (f *front) answered(w http.ResponseWriter, r *http.Request) bool {
	rule := f.rule(r)
	if rule == nil {
		return false
	}
	for name, values := range rule.header {
		w.Header()[name] = values
	}
	w.WriteHeader(rule.status)
	_, _ = io.WriteString(w, rule.body) // the client may have left
	return true
}

func (f *front) rule(r *http.Request) *rule {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r.Method+" "+r.URL.Path)
	for _, rule := range f.rules {
		if rule.times == 0 || rule.method != "" && rule.method != r.Method || !rule.path.MatchString(r.URL.Path) ||
			!strings.Contains(r.URL.RawQuery, rule.query) {
			continue
		}
		if rule.times > 0 {
			rule.times--
		}
		return rule
	}
	return nil
}

// text and object return the headers of the two kinds of answers.
func text() http.Header   { return http.Header{"Content-Type": {"text/plain; charset=utf-8"}} }
func object() http.Header { return http.Header{"Content-Type": {"application/json"}} }
