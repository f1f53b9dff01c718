package proxy_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/proxy"
	outside "fairlead/proxy/direct"
)

// A wire is a target that keeps what it was sent, and answers each request without a body.
type wire struct {
	addr  string
	mutex sync.Mutex
	lines []string // the request lines
	text  strings.Builder
}

func newWire(t *testing.T) *wire {
	w := &wire{}
	w.addr = target(t, func(conn *net.TCPConn) {
		ahead := bufio.NewReader(io.TeeReader(conn, w))
		for {
			line, err := ahead.ReadString('\n')
			if err != nil {
				return
			}
			w.mutex.Lock()
			w.lines = append(w.lines, strings.TrimSuffix(line, "\r\n"))
			w.mutex.Unlock()
			// The target is in line; any other will do for net/http to read the rest.
			method, _, _ := strings.Cut(line, " ")
			r, err := http.ReadRequest(bufio.NewReaderSize(io.MultiReader(strings.NewReader(method+" / HTTP/1.1\r\n"), oneByOne{ahead}), 16))
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
		}
	})
	return w
}

// oneByOne reads nothing ahead.
type oneByOne struct{ io.Reader }

func (r oneByOne) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(1, len(p))]) }

func (w *wire) Write(p []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.text.Write(p)
}

// take returns the request lines since the last call.
func (w *wire) take() []string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	lines := w.lines
	w.lines = nil
	return lines
}

// requestTargets are what clients write behind the authority of a URL, and what the server is asked for.
var requestTargets = map[string]string{
	"/a|b": "/a|b", "/100%": "/100%", `/"q"`: `/"q"`, "/a^b": "/a^b", "/{id}": "/{id}", `/a\b`: `/a\b`, "/<b>`x`": "/<b>`x`",
	"/straße/日本": "/straße/日本", "/\xff\xfe": "/\xff\xfe", "/%2F%2f": "/%2F%2f", "/%zz?%": "/%zz?%", "": "/", "?q": "/?q", "?": "/?",
	"/": "/", "/?": "/?", "//double": "//double", "//a|b//": "//a|b//", "///": "///", "/../dots/./..": "/../dots/./..", "/a;b=c": "/a;b=c",
	"/a?b?c&d=|{}\"^": "/a?b?c&d=|{}\"^", "/a#f": "/a#f", "#f": "/#f", "/http://x/": "/http://x/", "/@:": "/@:", "/*": "/*", "/%00": "/%00",
	"/+%20+": "/+%20+", "/[1]": "/[1]", "/~!$&'()*+,;=:@": "/~!$&'()*+,;=:@", "/" + strings.Repeat("x|", 10000): "/" + strings.Repeat("x|", 10000),
}

// The target is carried byte for byte, over connections used once and used again.
func TestTargetsAreCarriedAsTheyAre(t *testing.T) {
	to := newWire(t)
	w := open(t, direct())
	conn := w.connect()
	answers := bufio.NewReader(conn)
	for _, method := range []string{"GET", "POST", "HEAD"} {
		for rest, want := range requestTargets {
			_, _ = fmt.Fprintf(conn, "%s http://%s%s HTTP/1.1\r\nHost: x\r\n\r\n", method, to.addr, rest)
			response, err := http.ReadResponse(answers, &http.Request{Method: method})
			if err != nil || response.StatusCode != 204 {
				t.Fatalf("%.40q: %+v, %v", rest, response, err)
			}
			if got := to.take(); !slices.Equal(got, []string{method + " " + want + " HTTP/1.1"}) {
				t.Errorf("%s of %.60q is asked for as %.80q", method, rest, got)
			}
		}
	}
}

// As through a tunnel, where the proxy has no say: a client that writes the same gets the same.
func TestTargetsAreCarriedAsByConnect(t *testing.T) {
	to := newWire(t)
	w := open(t, direct())
	for rest, target := range requestTargets {
		tunnel := w.tunnel(to.addr)
		_, _ = fmt.Fprintf(tunnel, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target)
		if _, err := http.ReadResponse(bufio.NewReader(tunnel), nil); err != nil {
			t.Fatalf("%.40q: %v", target, err)
		}
		if response, _, err := w.rawHTTP("GET", "GET HTTP://"+to.addr+rest+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil || response.StatusCode != 204 {
			t.Fatalf("%.40q: %+v, %v", rest, response, err)
		}
		if got := to.take(); len(got) != 2 || got[0] != got[1] {
			t.Errorf("%.80q", got)
		}
	}
}

// A forward proxy gets the whole URL.
func TestTargetsAreCarriedAsTheyAreToAForwardProxy(t *testing.T) {
	to := newWire(t)
	w := open(t, proxy.Config{Rules: []proxy.Rule{{Name: "via", Dialer: outside.Dialer{
		Policy:   outside.Policy{Unresolved: true},
		Upstream: func(*url.URL) (*url.URL, error) { return mustURL("http://" + to.addr), nil },
	}}}})
	for rest := range requestTargets {
		response, _, err := w.rawHTTP("GET", "GET http://user:pw@far.example:8080"+rest+" HTTP/1.1\r\nHost: x\r\n\r\n")
		if err != nil || response.StatusCode != 204 {
			t.Fatalf("%.40q: %+v, %v", rest, response, err)
		}
		if got, want := to.take(), "GET http://far.example:8080"+rest+" HTTP/1.1"; !slices.Equal(got, []string{want}) {
			t.Errorf("asked for as %.80q, want %.80q", got, want)
		}
	}
}

// Whatever is refused is refused in a sentence, with Proxy-Status, and nothing of it reaches a target.
func TestRefusedRequestsGetASentence(t *testing.T) {
	to := newWire(t)
	w := open(t, direct())
	good := "GET http://" + to.addr + "/ HTTP/1.1\r\nHost: x\r\n"
	for request, want := range map[string]int{
		"GET http://" + to.addr + "/a b HTTP/1.1\r\nHost: x\r\n\r\n":                          400,
		"GET http://" + to.addr + "/a\tb HTTP/1.1\r\nHost: x\r\n\r\n":                         400,
		"GET http://" + to.addr + "/a\x00b HTTP/1.1\r\nHost: x\r\n\r\n":                       400,
		"GET http://" + to.addr + "/a\rb HTTP/1.1\r\nHost: x\r\n\r\n":                         400,
		"GET http://" + to.addr + "/\x7f HTTP/1.1\r\nHost: x\r\n\r\n":                         400,
		"GET  http://" + to.addr + "/ HTTP/1.1\r\nHost: x\r\n\r\n":                            400,
		"GET http://" + to.addr + "/\r\n\r\n":                                                 400,
		"GET http://" + to.addr + "/ HTTP/1.1 \r\nHost: x\r\n\r\n":                            400,
		"GET http://" + to.addr + "/ http/1.1\r\nHost: x\r\n\r\n":                             400,
		"GET http://" + to.addr + "/ HTTP/2.0\r\nHost: x\r\n\r\n":                             505,
		"G(T http://" + to.addr + "/ HTTP/1.1\r\nHost: x\r\n\r\n":                             400,
		"GET http:///path HTTP/1.1\r\nHost: x\r\n\r\n":                                        400,
		"GET http://" + to.addr + `\@evil.example/ HTTP/1.1` + "\r\nHost: x\r\n\r\n":          400,
		"GET http://a@b@" + to.addr + "/ HTTP/1.1\r\nHost: x\r\n\r\n":                         400,
		"GET http://" + to.addr + "@/ HTTP/1.1\r\nHost: x\r\n\r\n":                            400,
		"GET http://" + to.addr + ":80/ HTTP/1.1\r\nHost: x\r\n\r\n":                          400,
		"GET http://127.0.0.1:/ HTTP/1.1\r\nHost: x\r\n\r\n":                                  400,
		"GET http://[::1/ HTTP/1.1\r\nHost: x\r\n\r\n":                                        400,
		"GET http://[::1]x/ HTTP/1.1\r\nHost: x\r\n\r\n":                                      400,
		"GET http://ex%61mple.com/ HTTP/1.1\r\nHost: x\r\n\r\n":                               400,
		"GET http:" + to.addr + "/ HTTP/1.1\r\nHost: x\r\n\r\n":                               400,
		"GET " + to.addr + " HTTP/1.1\r\nHost: x\r\n\r\n":                                     400,
		"GET x: HTTP/1.1\r\nHost: x\r\n\r\n":                                                  400,
		"GET /%zz HTTP/1.1\r\nHost: " + w.addr + "\r\n\r\n":                                   400,
		good + "Host: y\r\n\r\n":                                                              400,
		good + "host: x\r\n\r\n":                                                              400,
		"GET http://" + to.addr + "/ HTTP/1.1\r\nHost: x y\r\n\r\n":                           400,
		"GET http://" + to.addr + "/ HTTP/1.1\r\nHost : x\r\n\r\n":                            400,
		"GET http://" + to.addr + "/ HTTP/1.1\r\n Host: x\r\n\r\n":                            400,
		"GET http://" + to.addr + "/ HTTP/1.1\r\n\r\n":                                        400,
		good + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n":                                 400,
		good + "X: a\rb\r\n\r\n":                                                              400,
		good + "X: a\x00b\r\n\r\n":                                                            400,
		good + "X\x00: a\r\n\r\n":                                                             400,
		good + ": a\r\n\r\n":                                                                  400,
		good + "no colon\r\n\r\n":                                                             400,
		good + "Content-Length: 1, 1\r\n\r\nx":                                                400,
		good + "Content-Length: 0x1\r\n\r\nx":                                                 400,
		good + "Content-Length: -1\r\n\r\n":                                                   400,
		good + "Content-Length: 9999999999999999999\r\n\r\n":                                  400,
		good + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx":                             400,
		good + "Content-Length:\r\n\r\n":                                                      400,
		good + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n":                        501,
		good + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n":    501,
		good + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n":                              400,
		good + "Transfer-Encoding:\r\n\r\n":                                                   501,
		good + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n":                            501,
		good + "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\n\r\n":       400,
		"GET http://" + to.addr + "/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 400,
		good + "Expect: a miracle\r\n\r\n":                                                    417,
		good + "X: " + strings.Repeat("y", 64<<10) + "\r\n\r\n":                               431,
		"GET http://" + to.addr + "/" + strings.Repeat("y", 64<<10):                           431,
		"CONNECT " + to.addr + " HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello":       400,
		"CONNECT " + to.addr + "/ HTTP/1.1\r\nHost: x\r\n\r\n":                                400,
		"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n":                                               400,
	} {
		response, body, err := w.rawHTTP("GET", request)
		if err != nil || response.StatusCode != want {
			t.Errorf("%.90q: %+v, %v; want %d", request, response, err, want)
			continue
		}
		if status := response.Header.Get("Proxy-Status"); !strings.HasPrefix(status, "fairlead; error=http_request_error; details=") ||
			!strings.Contains(body, " ") || strings.Count(body, "\n") != 1 {
			t.Errorf("%.90q: %q, Proxy-Status %q", request, body, status)
		}
	}
	if got := to.take(); len(got) != 0 {
		t.Errorf("the target was asked %q", got)
	}
}

// A request cut short by the end of its client's direction is refused too, one of a client that has gone is not.
func TestHeadThatEndsEarlyIsRefused(t *testing.T) {
	w := open(t, direct())
	conn := w.connect()
	_, _ = io.WriteString(conn, "GET http://x/ HTTP/1.1\r\nHos")
	_ = conn.CloseWrite()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != 400 || response.Header.Get("Proxy-Status") == "" {
		t.Errorf("%+v, %v", response, err)
	}
}

// A client may end its lines with LF alone, and fold them: no target sees that.
func TestOddLineEndsStopAtTheProxy(t *testing.T) {
	to := newWire(t)
	w := open(t, direct())
	response, _, err := w.rawHTTP("GET", "GET http://"+to.addr+"/lf HTTP/1.1\nHost: x\nX-Folded: a\n\tb\r\n  c\n\n")
	if err != nil || response.StatusCode != 204 {
		t.Fatalf("%+v, %v", response, err)
	}
	to.mutex.Lock()
	defer to.mutex.Unlock()
	if got := to.text.String(); !strings.Contains(got, "\r\nX-Folded: a b c\r\n") || strings.Contains(strings.ReplaceAll(got, "\r\n", ""), "\n") {
		t.Errorf("the target got %q", got)
	}
}

// No client can make the proxy and a target, or the proxy and itself, disagree about where a request ends. Each attempt
// hides a request for /smuggled in the body or the header of another.
func TestNoRequestIsSmuggled(t *testing.T) {
	to := newWire(t)
	hidden := "GET http://" + to.addr + "/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	raw := "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	size := fmt.Sprint(len(hidden))
	head := "POST http://" + to.addr + "/carrier HTTP/1.1\r\nHost: x\r\n"
	attempts := []string{
		head + "Content-Length: " + size + "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		head + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + hidden,
		head + "Content-Length: 0\r\nContent-Length: " + size + "\r\n\r\n" + hidden,
		head + "Content-Length: 0, " + size + "\r\n\r\n" + hidden,
		head + "Content-Length: 0\r\n " + size + "\r\n\r\n" + hidden,
		head + "Content-Length: +" + size + "\r\n\r\n" + hidden,
		head + "Content-Length : " + size + "\r\n\r\n" + hidden,
		head + "Content-Length: " + size + "\r\n\r\n" + hidden,
		head + "Content_Length: 0\r\nContent-Length: " + size + "\r\n\r\n" + hidden,
		head + "Transfer-Encoding: xchunked\r\n\r\n" + hidden,
		head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" + hidden,
		head + "Transfer-Encoding:\tchunked\r\nX: y\r\n\r\n" + fmt.Sprintf("%x", len(hidden)) + "\r\n" + hidden + "\r\n0\r\n\r\n",
		head + "Transfer-Encoding\r\n : chunked\r\n\r\n0\r\n\r\n" + hidden,
		head + "X: y\r\n\tTransfer-Encoding: chunked\r\nContent-Length: " + size + "\r\n\r\n" + hidden,
		head + "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		head + "X: y\nContent-Length: " + size + "\n\n" + hidden,
		head + "X: \x00\r\n\r\n" + hidden,
		head + "Transfer-Encoding: chunked\r\n\r\n0;x\n\r\n\r\n" + hidden,
		head + "Transfer-Encoding: chunked\r\n\r\n0\n\n" + hidden,
		head + "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + hidden,
		head + "Transfer-Encoding: chunked\r\n\r\n 0\r\n\r\n" + hidden,
		head + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n" + hidden,
		head + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n" + hidden,
		head + "Transfer-Encoding: chunked\r\n\r\n1\r\na\n0\r\n\r\n" + hidden,
		head + "Transfer-Encoding: chunked\r\n\r\n1;a\rb\r\na\r\n0\r\n\r\n" + hidden,
		head + "Transfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("a", 5000) + "\r\na\r\n0\r\n\r\n" + hidden,
		head + "Transfer-Encoding: chunked\r\n\r\n0\r\nX : y\r\n\r\n" + hidden,
		head + "Transfer-Encoding: chunked\r\n\r\n0\r\nno trailer\r\n\r\n" + hidden,
		head + "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\nContent-Length: 5\r\n\r\n" + hidden,
		head + "Host: y\r\n\r\n" + hidden,
		head + "Upgrade: h2c\r\nConnection: Upgrade, Content-Length\r\nContent-Length: " + size + "\r\n\r\n" + hidden,
		head + "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x", len(hidden)) + "\r\n" + hidden + "\r\n0\r\n\r\n",
		"POST http://" + to.addr + "/carrier HTTP/1.0\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n" + hidden,
		"GET http://" + to.addr + "/carrier HTTP/1.1\r\nHost: x\r\nContent-Length: " + size + "\r\n\r\n" + hidden,
		"HEAD http://" + to.addr + "/carrier HTTP/1.1\r\nHost: x\r\nContent-Length: " + size + "\r\n\r\n" + hidden,
		"GET http://" + to.addr + "/carrier\rHTTP/1.1\r\nX: " + raw,
		"GET http://" + to.addr + "/carrier HTTP/1.1\rHost: x\r\r" + raw,
		"GET http://" + to.addr + "/carrier\x0bHTTP/1.1 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET http://" + to.addr + "/carrier HTTP/1.1\x00\r\nHost: x\r\n\r\n" + hidden,
		"GET http://" + to.addr + "/carrier HTTP/1.1" + hidden,
		"CONNECT bad HTTP/1.1\r\nHost: x\r\nContent-Length: " + size + "\r\n\r\n" + hidden,
		"CONNECT bad HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"G\x00T http://" + to.addr + "/carrier HTTP/1.1\r\nHost: x\r\n\r\n" + hidden,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hidden,
		"POST /page HTTP/1.1\r\nHost: x\r\nContent-Length: " + size + "\r\n\r\n" + hidden,
		"POST http://refused.example/ HTTP/1.1\r\nHost: x\r\nContent-Length: " + size + "\r\n\r\n" + hidden,
		"POST http://refused.example/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x", len(hidden)) + "\r\n" + hidden + "\r\n0\r\n\r\n",
	}
	w := open(t, direct())
	for _, attempt := range attempts {
		conn := w.connect()
		_, _ = io.WriteString(conn, attempt)
		_ = conn.CloseWrite()
		_, _ = io.ReadAll(conn) // an answer, several, or a reset
		for _, line := range to.take() {
			if strings.Contains(line, "smuggled") {
				t.Errorf("%q: the target was asked %q", attempt, line)
			}
		}
	}
}

// What a client sends ahead is served in order, and what follows a request for a tunnel is never taken for a request.
func TestRequestsSentAheadAreServedInOrder(t *testing.T) {
	to := newWire(t)
	echoing := target(t, echo)
	w := open(t, direct())
	conn := w.connect()
	var ahead strings.Builder
	for i := range 20 {
		_, _ = fmt.Fprintf(&ahead, "GET http://%s/%d| HTTP/1.1\r\nHost: x\r\n\r\n", to.addr, i)
		_, _ = fmt.Fprintf(&ahead, "POST http://%s/%d| HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n", to.addr, i)
	}
	tail := "GET http://" + to.addr + "/not-a-request HTTP/1.1\r\nHost: x\r\n\r\n"
	_, _ = io.WriteString(conn, ahead.String()+"CONNECT "+echoing+" HTTP/1.1\r\nHost: x\r\n\r\n"+tail)
	_ = conn.CloseWrite()
	answers := bufio.NewReader(conn)
	var want []string
	for i := range 20 {
		for _, method := range []string{"GET", "POST"} {
			response, err := http.ReadResponse(answers, nil)
			if err != nil || response.StatusCode != 204 {
				t.Fatalf("request %d: %+v, %v", i, response, err)
			}
			want = append(want, fmt.Sprintf("%s /%d| HTTP/1.1", method, i))
		}
	}
	if got := to.take(); !slices.Equal(got, want) {
		t.Errorf("the target was asked %q", got)
	}
	response, err := http.ReadResponse(answers, &http.Request{Method: "CONNECT"})
	if err != nil || response.StatusCode != 200 {
		t.Fatalf("%+v, %v", response, err)
	}
	if got, err := io.ReadAll(answers); err != nil || string(got) != tail {
		t.Errorf("the tunnel carried %q, %v", got, err)
	}
}

// A target that switches protocols before it has the whole request gets no tunnel.
func TestSwitchBeforeTheRequestIsWholeIsAnError(t *testing.T) {
	to := target(t, func(conn *net.TCPConn) {
		_, _ = bufio.NewReader(conn).ReadString('\n')
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn)
	})
	w := open(t, direct())
	response, _, err := w.rawHTTP("POST", "POST http://"+to+"/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: chat\r\nContent-Length: 10\r\n\r\nhalf")
	if err != nil || response.StatusCode != 502 {
		t.Errorf("%+v, %v", response, err)
	}
}

// A body that nobody can read the end of is the client's fault, and is said to be.
func TestMalformedBodyIsToldToTheClient(t *testing.T) {
	to := newWire(t)
	w := open(t, direct())
	for _, body := range []string{"x\r\n", "3\r\nabcd\r\n0\r\n\r\n", "1\nab\r\n0\r\n\r\n", strings.Repeat("0", 5000)} {
		response, text, err := w.rawHTTP("POST", "POST http://"+to.addr+"/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"+body)
		if err != nil || response.StatusCode != 400 || !response.Close || !strings.Contains(text, "chunked") || response.Header.Get("Proxy-Status") == "" {
			t.Errorf("%.20q: %+v %q, %v", body, response, text, err)
		}
	}
}

// The rest of a head is waited for as long as that of the first, and not as long as an idle client may wait.
func TestHeadOfALaterRequestIsBoundedToo(t *testing.T) {
	to := newWire(t)
	config := direct()
	config.Handshake = 300 * time.Millisecond
	w := open(t, config)
	conn := w.connect()
	answers := bufio.NewReader(conn)
	for range 2 {
		_, _ = io.WriteString(conn, "GET http://"+to.addr+"/ HTTP/1.1\r\nHost: x\r\n\r\n")
		if response, err := http.ReadResponse(answers, nil); err != nil || response.StatusCode != 204 {
			t.Fatalf("%+v, %v", response, err)
		}
		<-time.After(2 * config.Handshake) // idle, which it may be
	}
	_, _ = io.WriteString(conn, "GET http://")
	if rest, err := io.ReadAll(answers); len(rest) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%q, %v", rest, err)
	}
}
