package api

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"

	"fairlead/kube/fault"
	"fairlead/proxy/upstream"
)

// chooseProxy makes a configuration use the forward proxy that c names, or none if c says so, and returns where the
// configuration's proxy is set. If neither c nor the kubeconfig sets one, throughEnvironment adds the environment's.
func chooseProxy(config *rest.Config, c Config) fault.ProxySource {
	switch {
	case c.NoProxy:
		config.Proxy = noProxy
	case c.Proxy != nil:
		config.Proxy = http.ProxyURL(c.Proxy)
	case config.Proxy != nil:
		return fault.ProxyKubeconfig
	default:
		return fault.ProxyEnvironment
	}
	return fault.ProxySettings
}

// noProxy is a Proxy for configurations that chooses none, not even the environment's.
func noProxy(*http.Request) (*url.URL, error) { return nil, nil }

// proxyFor returns the forward proxy on the way to the API server; nil for none.
type proxyFor func(ctx context.Context) (*url.URL, error)

// throughProxy makes a configuration dial through its proxy by package upstream, and returns a function that returns the
// proxy. Package net/http by itself does not distinguish the proxy's errors from the server's, and uses the server's
// certificate authority and client certificate for TLS with an https proxy.
func throughProxy(config *rest.Config, source fault.ProxySource) (proxyFor, error) {
	server, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, err
	}
	choose := config.Proxy
	if choose == nil {
		choose = noProxy
	}
	via := func(ctx context.Context) (*url.URL, error) {
		return choose((&http.Request{URL: server}).WithContext(ctx))
	}
	dial := config.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext // as client-go's own
	}
	dialer := upstream.Dialer{DialContext: dial, Abrupt: true}
	config.Proxy = noProxy
	config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		to, err := via(ctx)
		switch {
		case err != nil:
			return nil, fault.OfProxy(err, source)
		case to == nil:
			return dial(ctx, network, address)
		}
		if waiting, ok := ctx.Value(waitingKey{}).(*atomic.Pointer[fault.Proxy]); ok {
			waiting.Store(&fault.Proxy{Proxy: upstream.Address(to), Source: source, Err: context.DeadlineExceeded})
			defer waiting.Store(nil)
		}
		conn, err := dialer.Dial(ctx, address, upstream.Proxy{URL: to})
		return conn, fault.OfProxy(err, source)
	}
	return via, nil
}

// waitingKey is the key, in a request's context, of the place where its dial stores the forward proxy that it waits for.
type waitingKey struct{}

// roundTripThroughProxy sends a request. If it times out while its dial waits for a forward proxy, the error is the
// proxy's: package net/http does not wait for the dial's own error.
func roundTripThroughProxy(next http.RoundTripper, request *http.Request) (*http.Response, error) {
	var waiting atomic.Pointer[fault.Proxy]
	response, err := next.RoundTrip(request.WithContext(context.WithValue(request.Context(), waitingKey{}, &waiting)))
	if silent := waiting.Load(); silent != nil && errors.Is(err, context.DeadlineExceeded) {
		return nil, silent
	}
	return response, err
}
