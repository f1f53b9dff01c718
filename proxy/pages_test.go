package proxy_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

func TestPagesAreForThisMachineAlone(t *testing.T) {
	config := direct()
	config.Pages = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "page "+r.URL.Path) })
	w := open(t, config)
	port := w.addr[strings.LastIndex(w.addr, ":"):]
	for request, want := range map[string]int{
		"GET / HTTP/1.1\r\nHost: 127.0.0.1" + port:                                                            200,
		"GET /a HTTP/1.1\r\nHost: LOCALHOST" + port:                                                           200,
		"GET /a HTTP/1.1\r\nHost: [::1]" + port:                                                               200,
		"HEAD / HTTP/1.1\r\nHost: 127.0.0.1" + port:                                                           200,
		"GET / HTTP/1.1\r\nHost: 127.0.0.1" + port + "\r\nSec-Fetch-Site: none":                               200,
		"GET / HTTP/1.1\r\nHost: 127.0.0.1" + port + "\r\nSec-Fetch-Site: same-origin":                        200,
		"GET / HTTP/1.1\r\nHost: 127.0.0.1" + port + "\r\nOrigin: http://127.0.0.1" + port:                    200,
		"GET / HTTP/1.1\r\nHost: 127.0.0.1" + port + "\r\nSec-Fetch-Site: same-site":                          0,
		"GET / HTTP/1.1\r\nHost: 127.0.0.1" + port + "\r\nSec-Fetch-Site: cross-site":                         0,
		"GET / HTTP/1.1\r\nHost: 127.0.0.1" + port + "\r\nSec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site": 0,
		"GET / HTTP/1.1\r\nHost: 127.0.0.1" + port + "\r\nOrigin: null":                                       0,
		"GET / HTTP/1.1\r\nHost: 127.0.0.1" + port + "\r\nOrigin: http://evil.example":                        0,
		"GET / HTTP/1.1\r\nHost: 127.0.0.1" + port + "\r\nOrigin: http://localhost" + port:                    0,
		"POST / HTTP/1.1\r\nHost: 127.0.0.1" + port + "\r\nContent-Length: 0":                                 405,
		"OPTIONS / HTTP/1.1\r\nHost: 127.0.0.1" + port + "\r\nAccess-Control-Request-Private-Network: true":   405,
		"OPTIONS / HTTP/1.1\r\nHost: 127.0.0.1" + port + "\r\nOrigin: http://evil.example":                    0,
		"POST / HTTP/1.1\r\nHost: 127.0.0.1" + port + "\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 0":   0,
		"GET / HTTP/1.1\r\nHost: 127.0.0.1:1":                                                                 0,
		"GET / HTTP/1.1\r\nHost: 127.0.0.1":                                                                   0,
		"GET / HTTP/1.1\r\nHost: evil.example" + port:                                                         0,
		"GET / HTTP/1.1\r\nHost: localhost.evil.example" + port:                                               0,
		"GET / HTTP/1.1\r\nHost: 192.0.2.1" + port:                                                            0,
		"GET / HTTP/1.0": 0,
		"GET http://127.0.0.1" + port + "x/ HTTP/1.1\r\nHost: 127.0.0.1" + port: 400,
	} {
		response, body, err := w.rawHTTP(strings.Fields(request)[0], request+"\r\n\r\n")
		if want == 0 {
			// Nothing tells who is here.
			if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%q: answered with %+v %q, %v", request, response, body, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", request, err)
			continue
		}
		served := strings.HasPrefix(body, "page /")
		if response.StatusCode != want || served != (want == 200 && !strings.HasPrefix(request, "HEAD")) {
			t.Errorf("%q: %d %q, want %d", request, response.StatusCode, body, want)
		}
		header := response.Header
		if want == 200 && (header.Get("X-Frame-Options") != "DENY" || header.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.Contains(header.Get("Content-Security-Policy"), "frame-ancestors 'none'") || header.Get("Cross-Origin-Resource-Policy") != "same-origin") {
			t.Errorf("%q: header %v", request, header)
		}
		for name := range header {
			if strings.HasPrefix(name, "Access-Control") {
				t.Errorf("%q: %s", request, name)
			}
		}
	}
}

// What a web page can make a browser send to any port, and no proxy's client sends, is not answered, however it is wrong.
func TestRefusedRequestsOfPagesAreNotAnswered(t *testing.T) {
	w := open(t, direct())
	config := direct()
	config.TLS, config.RequireTLS = &tls.Config{}, true
	strict := open(t, config)
	for _, request := range []string{
		"GET /" + strings.Repeat("a", 70<<10) + " HTTP/1.1\r\nHost: " + w.addr + "\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: " + w.addr + "\r\nX: " + strings.Repeat("a", 70<<10) + "\r\n\r\n",
		"HEAD / HTTP/1.1\r\nHost: " + w.addr + "\r\nHost: " + w.addr + "\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: evil.example\r\nTransfer-Encoding: gzip\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: evil.example\r\nExpect: more\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/2.0\r\nHost: evil.example\r\n\r\n",
		"GET  / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		"GET /a b HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		"GET /a%20b\r\n\r\n",
	} {
		for name, w := range map[string]*world{"": w, "TLS required, ": strict} {
			if response, body, err := w.rawHTTP("GET", request); !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%s%.60q: answered with %+v %q, %v", name, request, response, body, err)
			}
		}
	}
	response, _, err := strict.rawHTTP("GET", "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n")
	if err != nil || response.StatusCode != 400 {
		t.Errorf("a proxy's client without TLS: %+v, %v", response, err)
	}
}

func TestPagesNeedNoPasswordAndAreNoProxy(t *testing.T) {
	config := guarded(direct())
	config.Pages = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "page") })
	w := open(t, config)
	if out, code := curl(t, "http://"+w.addr+"/"); code != 0 || out != "page" {
		t.Errorf("exit %d, %q", code, out)
	}
	if out, _ := curl(t, "-x", "http://"+w.addr, "-w", "%{http_code}", "-o", "/dev/null", "http://"+w.addr+"/"); out != "407" {
		t.Errorf("through itself: %q", out)
	}
}
