package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"fairlead/build/proxytest"
	"fairlead/proxy/upstream"
)

// Many clients at once, each with its certificate, get back what they sent, through tunnels and by plain HTTP.
func TestAGatewayCarriesManyAtOnce(t *testing.T) {
	c := proxytest.NewCertificates(t)
	p := startPod(t, "gateway", "--listen", ":8443", "--health", ":8889", "--tls-cert", c.File("server.crt"), "--tls-key", c.File("server.key"), "--client-ca", c.File("ca.crt"))
	site := p.site(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	p.awaitReady(t)
	own, err := tls.LoadX509KeyPair(c.File("client.crt"), c.File("client.key"))
	if err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(c.File("ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	config := &tls.Config{Certificates: []tls.Certificate{own}, RootCAs: roots, ServerName: "localhost"}
	content := make([]byte, 200<<10)
	_, _ = rand.Read(content) // it does not fail
	want := sha256.Sum256(content)
	via := &url.URL{Scheme: "https", Host: p.address + ":8443"}
	tunnels := func(ctx context.Context, _, address string) (net.Conn, error) {
		return upstream.Dialer{DialContext: new(net.Dialer).DialContext}.Dial(ctx, address, upstream.Proxy{URL: via, TLS: config})
	}
	var group errgroup.Group
	for i := range 200 {
		group.Go(func() error {
			transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: config, Proxy: http.ProxyURL(via)}
			if i%2 == 0 {
				transport = &http.Transport{DisableKeepAlives: true, DialContext: tunnels}
			}
			client := &http.Client{Timeout: 2 * time.Minute, Transport: transport}
			response, err := client.Post("http://"+site+"/", "application/octet-stream", bytes.NewReader(content))
			if err != nil {
				return err
			}
			defer response.Body.Close()
			got := sha256.New()
			if n, err := io.Copy(got, response.Body); err != nil || [sha256.Size]byte(got.Sum(nil)) != want {
				return fmt.Errorf("%s, %d bytes, %v", response.Status, n, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}
