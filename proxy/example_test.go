package proxy_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"fairlead/proxy"
)

// A networkDialer reaches the one host of a network that has no DNS.
type networkDialer struct{ address string }

func (d networkDialer) DialContext(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, d.address)
}

// A Server with one rule: its clients reach a host whose name the rule's Dialer alone knows, and nothing else.
func ExampleServer() {
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.Host) }))
	defer shop.Close()
	inside := networkDialer{shop.Listener.Addr().String()}

	server := proxy.New(proxy.Config{Rules: []proxy.Rule{{
		Name: "inside",
		Match: func(_ context.Context, to proxy.Target) (proxy.Dialer, error) {
			if to.Host == "shop.internal" {
				return inside, nil
			}
			return nil, nil
		},
	}}})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, listener) }()

	get := func(scheme, page string) {
		through := http.ProxyURL(&url.URL{Scheme: scheme, Host: listener.Addr().String()})
		client := &http.Client{Transport: &http.Transport{Proxy: through, DisableKeepAlives: true}}
		response, err := client.Get(page)
		if err != nil {
			log.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(scheme, response.Status, strings.TrimSpace(string(body)))
	}
	get("socks5", "http://shop.internal/") // on one port
	get("http", "http://shop.internal/")
	get("http", "http://other.internal/")

	stop()
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// socks5 200 OK shop.internal
	// http 200 OK shop.internal
	// http 403 Forbidden Forbidden
}
