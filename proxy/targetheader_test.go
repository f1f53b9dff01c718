package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"
)

// forged is what a target may not say in a proxy's place, and what another proxy may say.
const forged = "Proxy-Status: fairlead; error=dns_error\r\nProxy-Authenticate: Basic realm=x\r\nProxy-Status: cdn.example; hit\r\n"

// replaying is a target that answers each request with one text.
func replaying(t *testing.T, answer string) string {
	t.Helper()
	return target(t, func(conn *net.TCPConn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.WriteString(conn, answer)
			_ = conn.CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
		}
	})
}

func checkForged(t *testing.T, where string, header http.Header) {
	t.Helper()
	if want := []string{"cdn.example; hit"}; !slices.Equal(header["Proxy-Status"], want) || header["Proxy-Authenticate"] != nil {
		t.Errorf("%s: Proxy-Status %q, Proxy-Authenticate %q; want %q, none", where, header["Proxy-Status"], header["Proxy-Authenticate"], want)
	}
}

func TestATargetDoesNotSpeakForTheProxyInTrailers(t *testing.T) {
	for _, announced := range []string{"", "Trailer: X-Sum\r\n", "Trailer: Proxy-Status, X-Sum, Via, Connection\r\n"} {
		to := replaying(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"+announced+"\r\n5\r\nhello\r\n0\r\n"+
			forged+"X-Sum: 5\r\nVia: 1.1 fairlead\r\nConnection: close\r\nKeep-Alive: timeout=5\r\nContent-Length: 7\r\n\r\n")
		w := open(t, direct())
		response, body, err := w.rawHTTP("GET", "GET http://"+to+"/ HTTP/1.1\r\nHost: x\r\n\r\n")
		if err != nil || body != "hello" || response.Trailer.Get("X-Sum") != "5" {
			t.Errorf("%q: %+v %q, %v", announced, response, body, err)
			continue
		}
		checkForged(t, fmt.Sprintf("announced %q", announced), response.Trailer)
		for _, name := range []string{"Via", "Connection", "Keep-Alive", "Content-Length"} {
			if values := response.Trailer[name]; values != nil {
				t.Errorf("%q: trailer %s: %q", announced, name, values)
			}
		}
	}
}

func TestATargetDoesNotSpeakForTheProxyInInterimAnswers(t *testing.T) {
	to := replaying(t, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n"+forged+"\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	w := open(t, direct())
	hints := 0
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
		hints++
		if code != http.StatusEarlyHints || header.Get("Link") != "</a.css>" {
			t.Errorf("%d %v", code, header)
		}
		checkForged(t, "103", http.Header(header))
		return nil
	}}
	transport := &http.Transport{Proxy: http.ProxyURL(mustURL("http://" + w.addr))}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, "http://"+to+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != "ok" || hints != 1 {
		t.Errorf("%q, %v, %d interim answers", body, err, hints)
	}
}

func TestATargetDoesNotSpeakForTheProxyInAnUpgrade(t *testing.T) {
	to := replaying(t, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n"+forged+"\r\n")
	w := open(t, direct())
	conn := w.connect()
	_, _ = io.WriteString(conn, "GET http://"+to+"/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols || !strings.EqualFold(response.Header.Get("Connection"), "Upgrade") {
		t.Fatalf("%+v, %v", response, err)
	}
	checkForged(t, "101", response.Header)
}
