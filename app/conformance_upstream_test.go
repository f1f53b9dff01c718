package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/kube"
	"fairlead/proxy"
	"fairlead/proxy/dialtest"
	"fairlead/proxy/direct"
	"fairlead/proxy/upstream"
)

// A way through a proxy in the cluster must be as good a Dialer as any other. The proxy is our own, behind a Service.
func TestAnUpstreamInTheClusterIsADialer(t *testing.T) {
	everything := func(netip.AddrPort) bool { return true }
	far := direct.Dialer{Policy: direct.Policy{Allow: everything}, Upstream: func(*url.URL) (*url.URL, error) { return nil, nil }}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	door(t, "route-conformance", listener.Addr().String())
	server := proxy.New(proxy.Config{Rules: []proxy.Rule{{Name: "far", Dialer: far}}})
	way, err := kube.Open(kube.Config{Kubeconfig: cluster.Kubeconfig, Context: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- server.Serve(ctx, listener) }()
	go func() { ended <- way.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-ended, <-ended); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	suite := dialtest.Loopback(t)
	suite.Stop = stop
	suite.Late, suite.LateRequest, suite.LateAnswer = slowly(t, 5), "", strings.Repeat("line\n", 5)
	suite.Unknown, suite.Forbidden, suite.Hangs = "nobody.invalid:80", "", ""
	suite.Without = map[dialtest.Part]string{
		dialtest.NotReadyIsReported:  "every address of this machine's loopback can be reached",
		dialtest.ForbiddenIsReported: "the proxy allows everything here",
		dialtest.DialsHang:           "a dial that hangs is the proxy's to end",
		dialtest.EndReachesTarget:    "container runtimes close both directions once one has ended",
	}
	suite.Dialer = direct.Through{
		Chain:   []upstream.Proxy{{URL: &url.URL{Scheme: "http", Host: "route-conformance.default.svc"}, Name: "egress"}},
		Cluster: way.DialContext, Policy: direct.Policy{Allow: everything},
	}
	dialtest.Run(t, suite)
}

// slowly writes lines, one after each pause, whatever its clients do.
func slowly(t *testing.T, lines int) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				for range lines {
					<-time.After(200 * time.Millisecond)
					_, _ = io.WriteString(conn, "line\n") // the client may be gone
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		all.Wait()
	})
	return listener.Addr().String()
}
