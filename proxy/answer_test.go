package proxy_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"fairlead/proxy"
)

// refusing answers everything with answer.
func refusing(answer proxy.Answer) proxy.Config {
	return proxy.Config{
		Rules:  []proxy.Rule{{Name: "never"}},
		Answer: func(string, error) proxy.Answer { return answer },
	}
}

func TestATargetDoesNotSpeakForTheProxy(t *testing.T) {
	for said, want := range map[string][]string{
		"fairlead; error=connection_refused":                nil,
		"fairlead":                                          nil,
		"Fairlead; error=dns_error":                         nil,
		`"fairlead"; error=dns_error`:                       nil,
		"cdn.example; error=dns_timeout, fairlead; error=x": nil,
		"cdn.example; error=dns_timeout":                    {"cdn.example; error=dns_timeout"},
	} {
		site := web(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Proxy-Status"] = []string{said}
			w.WriteHeader(http.StatusBadGateway)
		})
		w := open(t, direct())
		response, _, err := w.rawHTTP("GET", "GET "+site.URL+"/ HTTP/1.1\r\nHost: x\r\n\r\n")
		if err != nil || response.StatusCode != http.StatusBadGateway || !slices.Equal(response.Header["Proxy-Status"], want) {
			t.Errorf("%q: %v, %v, want %q", said, response, err, want)
		}
	}
}

func TestFailureIsToldInEveryLanguage(t *testing.T) {
	w := open(t, refusing(proxy.Answer{
		SOCKS4: 92, SOCKS5: 4, Status: 504, ProxyStatus: "dns_error",
		Text: `no "Service" \ é “x”` + "\r\nX: y", Page: "<!doctype html><p>page",
	}))
	const status = `fairlead; error=dns_error; details="no \"Service\" \\ ? 'x'  X: y"`
	for _, request := range []string{
		"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\nAccept: text/html\r\n\r\n",
		"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\n\r\n",
	} {
		response, body, err := w.rawHTTP(strings.Fields(request)[0], request)
		if err != nil || response.StatusCode != 504 || response.Header.Get("Proxy-Status") != status ||
			response.Header.Get("Content-Type") != "text/plain; charset=utf-8" || strings.Count(body, "\n") != 1 {
			t.Errorf("%q: %+v %q, %v", request, response, body, err)
		}
	}
	conn := w.connect()
	_, _ = conn.Write(socksRequest("a.example:443"))
	if code := readSOCKS(t, conn); code != 4 {
		t.Errorf("SOCKS5 %d", code)
	}
	conn = w.connect()
	_, _ = conn.Write([]byte("\x04\x01\x00\x50\x00\x00\x00\x01\x00a.example\x00"))
	answer := make([]byte, 8)
	if _, err := conn.Read(answer); err != nil || answer[1] != 92 {
		t.Errorf("SOCKS4 % x, %v", answer, err)
	}
}

// A client that shows a sign of a browser gets only public text: in the body, in Proxy-Status, and in answer to CONNECT.
func TestSignsOfABrowser(t *testing.T) {
	w := open(t, refusing(proxy.Answer{Status: 502, Text: "in private", Public: "in public"}))
	for field, public := range map[string]bool{
		"Accept: */*":                              false,
		"User-Agent: curl/8.14.1":                  false,
		"User-Agent: git/2.39.5":                   false,
		"Proxy-Connection: keep-alive":             false,
		"Cookie: a=b":                              false,
		"User-Agent: Mozilla/5.0 (X11)":            true,
		"Accept-Encoding: gzip, deflate":           true,
		"accept-encoding: identity":                true,
		"Accept-Language:":                         true,
		"Origin: null":                             true,
		"Referer: http://a.example/":               true,
		"Sec-Fetch-Site: same-origin":              true,
		"Sec-GPC: 1":                               true,
		"Upgrade-Insecure-Requests: 1":             true,
		"Connection: Origin\r\nOrigin: http://a":   true,
		"Accept: text/plain\r\nAccept-Language: *": true,
	} {
		want := "in private"
		if public {
			want = "in public"
		}
		for _, request := range []string{"GET http://a.example/", "CONNECT a.example:80"} {
			response, body, err := w.rawHTTP(strings.Fields(request)[0], request+" HTTP/1.1\r\nHost: a.example\r\n"+field+"\r\n\r\n")
			if err != nil || body != want+"\n" || response.Header.Get("Proxy-Status") != `fairlead; error=proxy_internal_error; details="`+want+`"` {
				t.Errorf("%s, %q: %+v %q, %v", request, field, response, body, err)
			}
		}
	}
}

// What is not said to be public is not.
func TestNothingIsPublicUnasked(t *testing.T) {
	w := open(t, refusing(proxy.Answer{Status: 502, Text: "in private"}))
	response, body, err := w.rawHTTP("GET", "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nAccept-Language: en\r\n\r\n")
	if err != nil || body != "Bad Gateway\n" || strings.Contains(response.Header.Get("Proxy-Status"), "private") {
		t.Errorf("%+v %q, %v", response, body, err)
	}
	plain := open(t, proxy.Config{}) // whose sentences are package proxy's own
	_, body, err = plain.rawHTTP("GET", "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nAccept-Language: en\r\n\r\n")
	if err != nil || body != "Forbidden\n" {
		t.Errorf("%q, %v", body, err)
	}
}

func TestBrowserGetsAPage(t *testing.T) {
	w := open(t, refusing(proxy.Answer{Status: 503, Text: "line", Page: "<!doctype html><p>page"}))
	for accept, html := range map[string]bool{
		"text/html,application/xhtml+xml,*/*;q=0.8": true,
		"application/json, text/html;q=0.5":         true,
		"text/html;q=0":                             false,
		"*/*":                                       false,
		"text/*":                                    false,
		"":                                          false,
		";;,,text/html;q=x":                         true,
	} {
		response, body, err := w.rawHTTP("GET", "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nAccept: "+accept+"\r\n\r\n")
		if err != nil || response.StatusCode != 503 || response.Header.Get("Vary") != "Accept" || response.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Fatalf("%q: %+v, %v", accept, response, err)
		}
		page := strings.HasPrefix(response.Header.Get("Content-Type"), "text/html")
		if page != html || strings.Contains(body, "page") != html {
			t.Errorf("Accept %q: %q of %s", accept, body, response.Header.Get("Content-Type"))
		}
		if policy := response.Header.Get("Content-Security-Policy"); html && !strings.Contains(policy, "default-src 'none'") {
			t.Errorf("policy %q", policy)
		}
	}
}

func TestAnswerThatCannotBeSentIsMadeOneThatCan(t *testing.T) {
	w := open(t, refusing(proxy.Answer{SOCKS4: 90, Status: 200, ProxyStatus: "no; such\r\nword"}))
	response, body, err := w.rawHTTP("GET", "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n")
	if err != nil || response.StatusCode != 502 || body != "Bad Gateway\n" ||
		response.Header.Get("Proxy-Status") != `fairlead; error=proxy_internal_error; details="Bad Gateway"` {
		t.Errorf("%+v %q, %v", response, body, err)
	}
	if r := w.waitReports(1)[0]; r.Answer.SOCKS4 != 91 {
		t.Errorf("report %+v", r)
	}
}

func TestLongDetailsAreCut(t *testing.T) {
	w := open(t, proxy.Config{Answer: func(string, error) proxy.Answer { return proxy.DefaultAnswer(errors.New(strings.Repeat("x", 2000))) }})
	response, _, err := w.rawHTTP(http.MethodGet, "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n")
	if err != nil || len(response.Header.Get("Proxy-Status")) > 400 || !strings.HasSuffix(response.Header.Get("Proxy-Status"), `xxx..."`) {
		t.Errorf("%+v, %v", response, err)
	}
}
