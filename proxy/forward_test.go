package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"fairlead/proxy"
)

// client is a Go HTTP client that uses the proxy for everything.
func (w *world) client() *http.Client {
	transport := &http.Transport{Proxy: http.ProxyURL(mustURL("http://" + w.addr)), DisableCompression: true}
	w.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func TestEveryRequestOfAKeepAliveClientIsReported(t *testing.T) {
	site := web(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.URL.Path)) })
	dials := atomic.Int64{}
	w := open(t, by(func(ctx context.Context, network, address string) (net.Conn, error) {
		dials.Add(1)
		return through{}.DialContext(ctx, network, address)
	}))
	client := w.client()
	ports := map[string]bool{}
	for i := range 5 {
		trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { ports[info.Conn.LocalAddr().String()] = true }}
		r, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", fmt.Sprintf("%s/%d", site.URL, i), nil)
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if string(body) != fmt.Sprintf("/%d", i) {
			t.Errorf("body %q", body)
		}
	}
	if len(ports) != 1 || dials.Load() != 1 {
		t.Errorf("%d client connections, %d dials; want one of each", len(ports), dials.Load())
	}
	for _, r := range w.waitReports(5) {
		if r.Protocol != proxy.HTTP || r.Err != nil || r.Sent < 50 || r.Sent > 500 || r.Received < 50 || r.Received > 500 {
			t.Errorf("report %+v", r)
		}
	}
}

func TestClientsDoNotShareTargetConnections(t *testing.T) {
	var mutex sync.Mutex
	from := map[string]bool{}
	site := web(t, func(_ http.ResponseWriter, r *http.Request) {
		mutex.Lock()
		defer mutex.Unlock()
		from[r.RemoteAddr] = true
	})
	w := open(t, direct())
	for range 3 {
		response, err := w.client().Get(site.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	if len(from) != 3 {
		t.Errorf("3 clients came over %d connections", len(from))
	}
}

func TestStalePooledConnectionGivesNoSpuriousError(t *testing.T) {
	// A target that promises keep-alive and closes after each response.
	to := target(t, func(conn *net.TCPConn) {
		if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	w := open(t, direct())
	client := w.client()
	for i := range 100 {
		var response *http.Response
		var err error
		if i%2 == 0 {
			response, err = client.Get("http://" + to)
		} else {
			response, err = client.Post("http://"+to, "text/plain", strings.NewReader("body"))
		}
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if response.StatusCode != 200 {
			t.Fatalf("request %d: status %d", i, response.StatusCode)
		}
	}
}

// rawHTTP sends text and reads one response.
func (w *world) rawHTTP(method, text string) (*http.Response, string, error) {
	w.t.Helper()
	conn := w.connect()
	if _, err := io.WriteString(conn, text); err != nil {
		w.t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return nil, "", err
	}
	body, err := io.ReadAll(response.Body)
	return response, string(body), err
}

func TestHeadersOfOneHopStayThere(t *testing.T) {
	seen := make(chan *http.Request, 1)
	site := web(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		w.Header().Set("Connection", "x-secret-hop")
		w.Header().Set("X-Secret-Hop", "1")
		w.Header().Set("Proxy-Authenticate", "Basic")
		w.Header().Set("X-Kept", "1")
	})
	w := open(t, direct())
	response, _, err := w.rawHTTP("GET", "GET "+site.URL+"/a%2Fb?q=1;2&%zz HTTP/1.1\r\nHost: liar.example\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\n"+
		"Keep-Alive: 5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic c2VjcmV0\r\nProxy-Anything: 1\r\nTE: gzip\r\n"+
		"X-Forwarded-For: 192.0.2.7\r\nForwarded: for=192.0.2.7\r\nX-Kept: 1\r\nAccept-Encoding: br\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	r := <-seen
	if r.RequestURI != "/a%2Fb?q=1;2&%zz" || r.Host != strings.TrimPrefix(site.URL, "http://") {
		t.Errorf("asked for %s of %s", r.RequestURI, r.Host)
	}
	for _, gone := range []string{"Connection", "X-Hop", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Proxy-Anything", "Te", "User-Agent"} {
		if v, ok := r.Header[gone]; ok {
			t.Errorf("the target got %s: %q", gone, v)
		}
	}
	for kept, want := range map[string]string{
		"X-Forwarded-For": "192.0.2.7", "Forwarded": "for=192.0.2.7", "X-Kept": "1", "Accept-Encoding": "br", "Via": "1.1 fairlead",
	} {
		if got := r.Header.Get(kept); got != want {
			t.Errorf("the target got %s: %q, want %q", kept, got, want)
		}
	}
	if response.Header.Get("X-Secret-Hop") != "" || response.Header.Get("Proxy-Authenticate") != "" ||
		response.Header.Get("X-Kept") != "1" || response.Header.Get("Via") != "1.1 fairlead" {
		t.Errorf("the client got %v", response.Header)
	}
}

func TestWhatIsNotForAProxyIsSaidInOneLine(t *testing.T) {
	w := open(t, direct())
	for request, want := range map[string]int{
		"GET / HTTP/1.1\r\nHost: " + w.addr + "\r\n\r\n":                  400,
		"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n":                           400,
		"GET https://x/ HTTP/1.1\r\nHost: x\r\n\r\n":                      400,
		"GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n":                        400,
		"GET http://x:0/ HTTP/1.1\r\nHost: x\r\n\r\n":                     400,
		"GET http://x:99999/ HTTP/1.1\r\nHost: x\r\n\r\n":                 400,
		"GET http://a_b..c/ HTTP/1.1\r\nHost: x\r\n\r\n":                  400,
		"GET http://[fe80::1%25eth0]/ HTTP/1.1\r\nHost: x\r\n\r\n":        400,
		"CONNECT x HTTP/1.1\r\nHost: x\r\n\r\n":                           400,
		"CONNECT x:http HTTP/1.1\r\nHost: x\r\n\r\n":                      400,
		"CONNECT :80 HTTP/1.1\r\nHost: x\r\n\r\n":                         400,
		"CONNECT /path HTTP/1.1\r\nHost: x\r\n\r\n":                       400,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":                                505,
		"GET http://nobody.example/ HTTP/1.1\r\nHost: x\r\n\r\n":          502,
		"GET http://nobody.example HTTP/1.1\r\n\r\n":                      400, // no Host
		"GET http://x/ HTTP/1.1\r\nX: " + strings.Repeat("y", 1<<20) + "": 431,
	} {
		response, body, err := w.rawHTTP("GET", request)
		if err != nil {
			t.Errorf("%.40q: %v", request, err)
			continue
		}
		if response.StatusCode != want || strings.Count(strings.TrimSpace(body), "\n") != 0 || body == "" {
			t.Errorf("%.40q: %d %q, want %d", request, response.StatusCode, body, want)
		}
	}
	w.waitReports(1)
}

func TestConnectRefusalIsAnOrderlyResponse(t *testing.T) {
	w := open(t, proxy.Config{
		Rules: []proxy.Rule{{Name: "never"}},
		Answer: func(_ string, err error) proxy.Answer {
			return proxy.Answer{SOCKS5: 0, Status: 200, Text: "no:\r\nSet-Cookie: x\x1b[31m " + err.Error()}
		},
	})
	response, body, err := w.rawHTTP("CONNECT", "CONNECT x.example:443 HTTP/1.1\r\nHost: x.example:443\r\n\r\neager")
	if err != nil || response.StatusCode != 502 || !response.Close || response.Header.Get("Set-Cookie") != "" {
		t.Fatalf("%+v, %v", response, err)
	}
	if strings.ContainsAny(body, "\x1b\r") || !strings.HasPrefix(body, "no:  Set-Cookie: x [31m ") || response.ContentLength != int64(len(body)) {
		t.Errorf("body %q of %d", body, response.ContentLength)
	}
	conn := w.connect()
	_, _ = conn.Write(socksRequest("x.example:443"))
	if code := readSOCKS(t, conn); code != 1 {
		t.Errorf("a failure is told as %d", code)
	}
}

func TestHangingTargetDoesNotHoldUpOtherRequests(t *testing.T) {
	h := newHanging()
	site := web(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) })
	config := direct()
	config.Rules = append([]proxy.Rule{{Name: "hang", Match: hostIs("hang.example", h)}}, config.Rules...)
	w := open(t, config)
	client := w.client()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		r, _ := http.NewRequestWithContext(ctx, "GET", "http://hang.example/", nil)
		_, err := client.Do(r) // there is none with an error
		ended <- err
	}()
	<-h.began
	response, err := client.Get(site.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	<-h.ended
}

func TestMaxForwardsIsCounted(t *testing.T) {
	site := web(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Left", r.Header.Get("Max-Forwards")) })
	w := open(t, direct())
	for given, want := range map[string]string{"5": "4", "1": "0", "0": ""} {
		response, _, err := w.rawHTTP("OPTIONS", "OPTIONS "+site.URL+"/ HTTP/1.1\r\nHost: x\r\nMax-Forwards: "+given+"\r\n\r\n")
		if err != nil || response.StatusCode != 200 || response.Header.Get("X-Left") != want {
			t.Errorf("Max-Forwards %s: %+v, %v", given, response, err)
		}
	}
	w.waitReports(2)
}
