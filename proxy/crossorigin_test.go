package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"fairlead/proxy"
)

// asked is what a request says of the page that makes it, and whether it may pass.
type asked struct {
	request string
	passes  bool
}

const navigates = "\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document"

// A request to http://web.shop/ by what its browser says of where it comes from.
var fromPages = []asked{
	// Programs, and pages that do not say where they are.
	{"GET http://web.shop/", true},
	{"POST http://web.shop/", true},
	{"GET http://web.shop/\r\nUser-Agent: Mozilla/5.0\r\nAccept-Language: en", true},
	// Pages of the same origin, in each way to write it.
	{"POST http://web.shop/\r\nOrigin: http://web.shop", true},
	{"POST http://web.shop:80/\r\nOrigin: http://web.shop", true},
	{"POST http://WEB.shop/\r\nOrigin: http://web.shop:80", true},
	{"POST http://web.shop:8080/\r\nOrigin: http://web.shop:8080", true},
	{"POST http://10.96.0.9/\r\nOrigin: http://10.96.0.9", true},
	{"POST http://[fd00::9]:81/\r\nOrigin: http://[fd00::9]:81", true},
	{"GET http://web.shop/\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors", true},
	{"GET http://web.shop/\r\nReferer: http://web.shop/page?x=http://evil.example/", true},
	{"GET http://web.shop/\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://web.shop", true},
	// The user: a line in the address bar, a link followed.
	{"GET http://web.shop/\r\nSec-Fetch-Site: none" + navigates, true},
	{"GET http://web.shop/\r\nSec-Fetch-Site: cross-site" + navigates, true},
	{"HEAD http://web.shop/\r\nSec-Fetch-Site: cross-site" + navigates, true},
	{"GET http://web.shop/\r\nUpgrade-Insecure-Requests: 1\r\nReferer: http://evil.example/", true},
	{"GET http://web.shop/\r\nUpgrade-Insecure-Requests: 1", true},

	// Pages of other origins: another site, another host of the same site, another port or scheme, none at all.
	{"POST http://web.shop/\r\nOrigin: http://evil.example", false},
	{"POST http://web.shop/\r\nOrigin: http://db.shop", false},
	{"POST http://web.shop/\r\nOrigin: http://web.shop:8080", false},
	{"POST http://web.shop:8080/\r\nOrigin: http://web.shop", false},
	{"POST http://web.shop/\r\nOrigin: https://web.shop", false},
	{"POST http://web.shop/\r\nOrigin: http://web.shop.evil.example", false},
	{"POST http://web.shop/\r\nOrigin: http://web.shop@evil.example", false},
	{"POST http://web.shop/\r\nOrigin: http://web.shop.", false},
	{"POST http://web.shop/\r\nOrigin: null", false},
	{"POST http://web.shop/\r\nOrigin:", false},
	{"POST http://web.shop/\r\nOrigin: http://web.shop\r\nOrigin: http://web.shop", false},
	{"POST http://web.shop/\r\nOrigin: http://web.shop http://evil.example", false},
	{"POST http://web.shop/\r\nOrigin: http://evil.example\r\nSec-Fetch-Site: same-origin", false},
	{"POST http://web.shop/\r\nOrigin: http://evil.example\r\nSec-Fetch-Site: cross-site" + navigates, false},
	{"POST http://web.shop/\r\nSec-Fetch-Site: cross-site" + navigates, false},
	{"OPTIONS http://web.shop/\r\nOrigin: http://evil.example\r\nAccess-Control-Request-Method: PUT", false},
	{"GET http://web.shop/\r\nOrigin: http://evil.example", false},
	{"GET http://web.shop/\r\nOrigin: http://evil.example\r\nUpgrade-Insecure-Requests: 1", false},
	{"GET http://web.shop/\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://evil.example", false},
	{"GET http://web.shop/\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nUpgrade-Insecure-Requests: 1\r\nReferer: http://evil.example/", false},
	{"GET http://web.shop/\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image", false},
	{"GET http://web.shop/\r\nSec-Fetch-Site: same-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: script", false},
	{"GET http://web.shop/\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe", false},
	{"GET http://web.shop/\r\nSec-Fetch-Site: cross-site\r\nUpgrade-Insecure-Requests: 1\r\nSec-Fetch-Mode: cors", false},
	{"GET http://web.shop/\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site", false},
	{"GET http://web.shop/\r\nSec-Fetch-Site: what", false},
	{"GET http://web.shop/\r\nReferer: http://evil.example/", false},
	{"GET http://web.shop/\r\nReferer: https://web.shop/", false},
	{"GET http://web.shop/\r\nReferer: http://web.shop/\r\nReferer: http://evil.example/", false},
	{"POST http://web.shop/\r\nReferer: http://evil.example/\r\nUpgrade-Insecure-Requests: 1", false},
}

func TestPagesOfOtherOriginsAreRefusedByASameOriginRule(t *testing.T) {
	var reached atomic.Int64
	site := web(t, func(w http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		_, _ = io.WriteString(w, "served")
	})
	rule := proxy.Rule{Name: "cluster", Dialer: dialerFunc(func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, site.Listener.Addr().String())
	})}
	free := open(t, proxy.Config{Rules: []proxy.Rule{rule}})
	rule.SameOrigin = true
	guarded := open(t, proxy.Config{Rules: []proxy.Rule{rule}})
	for _, c := range fromPages {
		request := strings.Replace(c.request+"\r\n", "\r\n", " HTTP/1.1\r\nHost: web.shop\r\n", 1) + "\r\n"
		method, _, _ := strings.Cut(request, " ")
		for w, passes := range map[*world]bool{free: true, guarded: c.passes} {
			before := reached.Load()
			response, body, err := w.rawHTTP(method, request)
			want := http.StatusOK
			if !passes {
				want = http.StatusForbidden
			}
			if err != nil || response.StatusCode != want || (reached.Load() > before) != passes {
				t.Errorf("%q: %+v %q, %v, reached %t; want %d", request, response, body, err, reached.Load() > before, want)
			}
			if refused := response != nil && strings.HasPrefix(response.Header.Get("Proxy-Status"), "fairlead; error=http_request_denied;"); refused == passes {
				t.Errorf("%q: Proxy-Status %q", request, response.Header.Get("Proxy-Status"))
			}
		}
	}
	// What is inside a tunnel is not seen: Config says so.
	conn := guarded.connect()
	_, _ = io.WriteString(conn, "CONNECT web.shop:80 HTTP/1.1\r\nHost: web.shop:80\r\n\r\n")
	if response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect}); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("CONNECT: %+v, %v", response, err)
	}
}

func TestCrossOriginRequestsAreReported(t *testing.T) {
	w := open(t, proxy.Config{Rules: []proxy.Rule{{Name: "cluster", Dialer: through{}, SameOrigin: true}}})
	_, _, err := w.rawHTTP("POST", "POST http://web.shop/ HTTP/1.1\r\nHost: x\r\nOrigin: http://evil.example\r\nContent-Length: 4\r\n\r\nbody")
	if err != nil {
		t.Fatal(err)
	}
	r := w.waitReports(1)[0]
	refused, ok := errors.AsType[*proxy.CrossOriginError](r.Err)
	if !ok || !errors.Is(r.Err, fs.ErrPermission) || *refused != (proxy.CrossOriginError{Target: "web.shop:80", Origin: "http://evil.example"}) ||
		r.Stage != proxy.StageRoute || r.Rule != "cluster" || r.Answer.SOCKS5 != 2 {
		t.Errorf("%+v", r)
	}
}
