package kube

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"fairlead/build/clustertest"
	"fairlead/kube/fault"
)

// A pluginLogin is a context that logs in by a real credential plugin, a script that prints the token in a file and counts
// its runs. It fails if there is no file.
type pluginLogin struct {
	kubeconfig, dir string
}

func newPluginLogin(t *testing.T, cluster *clustertest.Cluster) pluginLogin {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Fatal("the plugin is a shell script")
	}
	p := pluginLogin{dir: t.TempDir()}
	script := `#!/bin/sh
echo run >> "$0.runs"
token=$(cat "$0.token") || { echo "session has expired, log in again" >&2; exit 3; }
echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"'$token'"}}'
`
	if err := os.WriteFile(p.path(""), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	p.kubeconfig = changed(t, cluster.Kubeconfig, func(config *clientcmdapi.Config) {
		config.AuthInfos[config.Contexts["demo-team"].AuthInfo] = &clientcmdapi.AuthInfo{Exec: &clientcmdapi.ExecConfig{
			Command: p.path(""), APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
		}}
	})
	return p
}

func (p pluginLogin) path(suffix string) string { return filepath.Join(p.dir, "plugin"+suffix) }

func (p pluginLogin) runs(t *testing.T) int {
	t.Helper()
	data, err := os.ReadFile(p.path(".runs"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Count(string(data), "run")
}

// logIn writes a new token to the plugin's file. The token is bound to a Secret, and ends with it.
func (p pluginLogin) logIn(t *testing.T, cluster *clustertest.Cluster, secret string) {
	t.Helper()
	for _, command := range [][]string{
		{"create", "secret", "generic", secret, "-n", "team"},
		{"create", "token", "visitor", "-n", "team", "--bound-object-kind", "Secret", "--bound-object-name", secret},
	} {
		out, err := cluster.Kubectl(t.Context(), command...)
		if err != nil {
			t.Fatalf("kubectl %v: %v: %s", command, err, out)
		}
		if command[1] == "token" {
			if err := os.WriteFile(p.path(".token"), []byte(strings.TrimSpace(string(out))), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// visitor creates a user whose tokens can be revoked.
func visitor(t *testing.T, cluster *clustertest.Cluster) {
	t.Helper()
	for _, command := range [][]string{
		{"create", "serviceaccount", "visitor", "-n", "team"},
		{"create", "role", "visitor", "-n", "team", "--verb=get,list,create", "--resource=services,pods,pods/portforward,endpointslices.discovery.k8s.io"},
		{"create", "rolebinding", "visitor", "-n", "team", "--role=visitor", "--serviceaccount=team:visitor"},
	} {
		if out, err := cluster.Kubectl(t.Context(), command...); err != nil {
			t.Fatalf("kubectl %v: %v: %s", command, err, out)
		}
	}
}

// pluginWhenAsked counts the runs of a plugin over the life of a context: restored at the start, in use, with a revoked
// token, and after a new login.
func pluginWhenAsked(t *testing.T, cluster *clustertest.Cluster) {
	p := newPluginLogin(t, cluster)
	p.logIn(t, cluster, "first")
	states := make(chan error, 100)
	c, err := Open(Config{Kubeconfig: p.kubeconfig, Context: "demo-team", Health: func(err error) { states <- err }})
	if err != nil {
		t.Fatal(err)
	}
	run(t, c)
	// Spare connections are made in the first moments, if at all.
	time.Sleep(time.Second)
	if n := p.runs(t); n != 0 {
		t.Errorf("%d runs before anybody asked", n)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if pod, err := ask(c, "app:80"); err != nil || !strings.HasPrefix(pod, "team/app-") {
				t.Errorf("Pod %q, %v", pod, err)
			}
		})
	}
	wg.Wait()
	if n := p.runs(t); n != 1 {
		t.Errorf("%d runs for 20 connections", n)
	}

	// The login ends: its token is revoked, and the plugin has no other.
	if err := os.Remove(p.path(".token")); err != nil {
		t.Fatal(err)
	}
	if out, err := cluster.Kubectl(t.Context(), "delete", "secret", "first", "-n", "team"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	waitFor(t, "the token to be refused", func() bool {
		// The API server may cache a token for some seconds. Dials by new names ask it each time.
		return isLogin(dial(t, c, fmt.Sprintf("no-such-%d:80", time.Now().UnixNano())), fault.PluginFailed)
	})
	before := p.runs(t)
	begin := time.Now()
	for range 20 {
		err := dial(t, c, "app:80")
		var login *fault.Login
		if !errors.As(err, &login) || login.Exit != 3 || login.Detail != "session has expired, log in again" || login.Context != "demo-team" {
			t.Fatalf("logged out: %v", err)
		}
	}
	if n := p.runs(t) - before; n > 1+int(time.Since(begin)/time.Second) {
		t.Errorf("%d runs for 20 dials while logged out", n)
	}

	// And it works again without a click.
	p.logIn(t, cluster, "second")
	waitFor(t, "the new login", func() bool {
		pod, err := ask(c, "app:80")
		return err == nil && strings.HasPrefix(pod, "team/app-")
	})
	var last error
	for len(states) > 0 {
		last = <-states
	}
	if last != nil {
		t.Errorf("health in the end: %v", last)
	}
}

// pluginCertificate tests a plugin that returns a client certificate, for questions and for the carrier.
func pluginCertificate(t *testing.T, cluster *clustertest.Cluster) {
	config, err := clientcmd.LoadFromFile(cluster.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	user := config.AuthInfos[config.Contexts["demo-team"].AuthInfo]
	credential, err := json.Marshal(map[string]any{
		"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": map[string]string{
			"clientCertificateData": string(user.ClientCertificateData), "clientKeyData": string(user.ClientKeyData),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := newPluginLogin(t, cluster)
	if err := os.WriteFile(p.path(""), []byte("#!/bin/sh\necho run >> \"$0.runs\"\ncat <<'END'\n"+string(credential)+"\nEND\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := openReal(t, p.kubeconfig, "demo-team")
	for range 3 {
		if pod, err := ask(c, "app:80"); err != nil || !strings.HasPrefix(pod, "team/app-") {
			t.Errorf("Pod %q, %v", pod, err)
		}
	}
	if n := p.runs(t); n != 1 {
		t.Errorf("%d runs", n)
	}
	if err := c.LogIn(t.Context()); err != nil || p.runs(t) != 2 {
		t.Errorf("a new login: %v, %d runs", err, p.runs(t))
	}
	if _, err := ask(c, "app:80"); err != nil {
		t.Error(err)
	}
}

// renewedIDToken tests a login by an identity provider with a real API server, which accepts the token: it is one of its
// own.
func renewedIDToken(t *testing.T, cluster *clustertest.Cluster) {
	p, provider := newPluginLogin(t, cluster), newIdentityProvider(t, true)
	p.logIn(t, cluster, "sixth")
	token, err := os.ReadFile(p.path(".token"))
	if err != nil {
		t.Fatal(err)
	}
	provider.token = string(token)
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: provider.Certificate().Raw})
	kubeconfig := changed(t, cluster.Kubeconfig, func(config *clientcmdapi.Config) {
		config.AuthInfos[config.Contexts["demo-team"].AuthInfo] = &clientcmdapi.AuthInfo{AuthProvider: &clientcmdapi.AuthProviderConfig{
			Name: "oidc", Config: map[string]string{
				"idp-issuer-url": provider.URL, "client-id": "fairlead", "refresh-token": "hunter2", "id-token": anHourAgo(),
				"idp-certificate-authority-data": base64.StdEncoding.EncodeToString(authority),
			},
		}}
	})
	c := open(t, kubeconfig, "demo-team")
	_, steps, err := walked(t, c, "app:80", nil)
	if detail := steps[StepCredentials].Detail; err != nil || !strings.HasPrefix(detail, "OpenID Connect, valid until ") {
		t.Errorf("walk: %v, credentials %q", err, detail)
	}
	wantPod(t, c, "app:80", "team/app-")
	if d, r := provider.discoveries.Load(), provider.refreshes.Load(); d != 1 || r != 1 {
		t.Errorf("%d discoveries and %d renewals", d, r)
	}
	waitFor(t, "the tokens to be in the kubeconfig", func() bool { return settingsIn(t, kubeconfig)["refresh-token"] == "rotated-1" })
	// kubectl can use them.
	if out, err := cluster.KubectlCommand(t.Context(), "--kubeconfig", kubeconfig, "--context", "demo-team", "get", "service", "app", "-n", "team", "-o", "name").CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "service/app" {
		t.Errorf("kubectl: %s, %v", out, err)
	}
	if n := provider.refreshes.Load(); n != 1 {
		t.Errorf("kubectl renewed the token: %d renewals", n)
	}
}

// renewedTokenFile tests a token file whose token is revoked and then replaced.
func renewedTokenFile(t *testing.T, cluster *clustertest.Cluster) {
	p := newPluginLogin(t, cluster)
	p.logIn(t, cluster, "third")
	kubeconfig := changed(t, cluster.Kubeconfig, func(config *clientcmdapi.Config) {
		config.AuthInfos[config.Contexts["demo-team"].AuthInfo] = &clientcmdapi.AuthInfo{TokenFile: p.path(".token")}
	})
	c := open(t, kubeconfig, "demo-team")
	if _, err := ask(c, "app:80"); err != nil {
		t.Fatal(err)
	}
	if out, err := cluster.Kubectl(t.Context(), "delete", "secret", "third", "-n", "team"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	waitFor(t, "the token to be refused", func() bool {
		return isLogin(dial(t, c, fmt.Sprintf("no-such-%d:80", time.Now().UnixNano())), fault.LoginRefused)
	})
	p.logIn(t, cluster, "fourth")
	waitFor(t, "the new login", func() bool {
		_, err := ask(c, "app:80")
		return err == nil
	})
}

// certificates tests server certificates that must not be trusted, and an expired client certificate.
func certificates(t *testing.T, cluster *clustertest.Cluster) {
	with := func(change func(*clientcmdapi.Cluster, *clientcmdapi.AuthInfo)) string {
		return changed(t, cluster.Kubeconfig, func(config *clientcmdapi.Config) {
			context := config.Contexts["demo"]
			change(config.Clusters[context.Cluster], config.AuthInfos[context.AuthInfo])
		})
	}
	over := newExpired(t)
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{over.pair}}
	server.StartTLS()
	defer server.Close()
	for name, test := range map[string]struct {
		kubeconfig string
		is         func(error) bool
	}{
		"by an unknown authority": {with(func(c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) {
			c.CertificateAuthority, c.CertificateAuthorityData = "", []byte(testCA(t))
		}), func(err error) bool { return errors.As(err, new(x509.UnknownAuthorityError)) }},
		"for another name": {with(func(c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) { c.TLSServerName = "other.example" }),
			func(err error) bool { return errors.As(err, new(x509.HostnameError)) }},
		"that has expired": {with(func(c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) {
			c.Server, c.CertificateAuthority, c.CertificateAuthorityData = server.URL, "", over.certificate
		}), func(err error) bool {
			var invalid x509.CertificateInvalidError
			return errors.As(err, &invalid) && invalid.Reason == x509.Expired
		}},
	} {
		var away *fault.Unreachable
		if err := dial(t, open(t, test.kubeconfig, "demo"), "hello:80"); !errors.As(err, &away) || !test.is(err) {
			t.Errorf("a certificate %s: %v", name, err)
		}
	}
	client := open(t, with(func(_ *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) {
		*u = clientcmdapi.AuthInfo{ClientCertificateData: over.certificate, ClientKeyData: over.key}
	}), "demo")
	var login *fault.Login
	if err := dial(t, client, "hello:80"); !errors.As(err, &login) || login.Cause != fault.LoginExpired || !login.Expired.Equal(over.at) {
		t.Errorf("a client certificate that has expired: %v", err)
	}
}

// An expired certificate is its own authority.
type expired struct {
	pair             tls.Certificate
	certificate, key []byte // PEM
	at               time.Time
}

func newExpired(t *testing.T) (e expired) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	e.at = time.Now().Add(-time.Hour).Truncate(time.Second)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "late"}, NotBefore: e.at.Add(-time.Hour), NotAfter: e.at,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	e.certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	e.key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	if e.pair, err = tls.X509KeyPair(e.certificate, e.key); err != nil {
		t.Fatal(err)
	}
	return e
}
