package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestEveryMethodIsForwarded(t *testing.T) {
	site := web(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", fmt.Sprintf("%s %s %s", r.Method, r.RequestURI, body))
		_, _ = io.WriteString(w, "body")
	})
	w := open(t, direct())
	conn := w.connect()
	ahead := bufio.NewReader(conn)
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "M-SEARCH", "get"} {
		for _, body := range []string{"", "Content-Length: 4\r\n\r\nsent", "Transfer-Encoding: chunked\r\n\r\n4\r\nsent\r\n0\r\n\r\n"} {
			if method == "TRACE" && body != "" {
				continue // RFC 9110 9.3.8: it has none
			}
			head := "\r\n"
			if body != "" {
				head = body
			}
			_, _ = fmt.Fprintf(conn, "%s %s/a?b HTTP/1.1\r\nHost: x\r\n%s", method, site.URL, head)
			response, err := http.ReadResponse(ahead, &http.Request{Method: method})
			if err != nil {
				t.Fatalf("%s %q: %v", method, body, err)
			}
			got, err := io.ReadAll(response.Body)
			want, sent := "body", ""
			if method == "HEAD" {
				want = ""
			}
			if body != "" {
				sent = "sent"
			}
			if seen := response.Header.Get("X-Seen"); err != nil || string(got) != want || strings.TrimSpace(seen) != strings.TrimSpace(method+" /a?b "+sent) || response.Close {
				t.Errorf("%s %q: %q %q, %v", method, body, seen, got, err)
			}
		}
	}
}

func TestOptionsOfAServerAreAskedByAsterisk(t *testing.T) {
	seen := make(chan string, 1)
	to := target(t, func(conn *net.TCPConn) {
		if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			seen <- r.RequestURI
			_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
		}
	})
	w := open(t, direct())
	for path, want := range map[string]string{"": "*", "/": "/", "?x": "/?x"} {
		response, _, err := w.rawHTTP("OPTIONS", "OPTIONS http://"+to+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		if err != nil || response.StatusCode != 204 {
			t.Fatalf("%q: %+v, %v", path, response, err)
		}
		if got := <-seen; got != want {
			t.Errorf("OPTIONS of %q is asked for %q, want %q", path, got, want)
		}
	}
}

func TestOldClientsGetNothingNew(t *testing.T) {
	seen := make(chan http.Header, 1)
	to := target(t, func(conn *net.TCPConn) {
		if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			seen <- r.Header
			_, _ = io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	w := open(t, direct())
	for version, interim := range map[string]bool{"1.0": false, "1.1": true} {
		conn := w.connect()
		_, _ = fmt.Fprintf(conn, "GET http://%s/ HTTP/%s\r\nHost: x\r\nConnection: close, Upgrade\r\nUpgrade: chat\r\n\r\n", to, version)
		got, err := io.ReadAll(conn)
		if err != nil || !strings.HasSuffix(string(got), "\r\n\r\nok") || strings.Contains(string(got), " 103 ") != interim {
			t.Errorf("HTTP/%s: %q, %v", version, got, err)
		}
		if header := <-seen; (header.Get("Upgrade") != "") != interim {
			t.Errorf("HTTP/%s: the target got %v", version, header)
		}
	}
}

func TestOldConnectionIsNotKept(t *testing.T) {
	site := web(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	w := open(t, direct())
	conn := w.connect()
	_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nConnection: keep-alive\r\nProxy-Connection: keep-alive\r\n\r\n", site.URL)
	got, err := io.ReadAll(conn)
	if err != nil || !strings.HasSuffix(string(got), "\r\n\r\nok") || strings.Contains(strings.ToLower(string(got)), "keep-alive") {
		t.Errorf("%q, %v", got, err)
	}
}

func TestFirstOfTwoLengthsIsNotBelieved(t *testing.T) {
	site := web(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%q %v %v", body, err, r.ContentLength)
	})
	w := open(t, direct())
	for headers, want := range map[string]string{
		"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd":                            "400",
		"Content-Length: +3\r\n\r\nabc":                                                 "400",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n":    "501",
		"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n":                                  "501",
		"Content-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n": `"abc" <nil> -1`,
		"Bad Header: x\r\n\r\n":                                                         "400",
		"X: y\r\n folded\r\n\r\n":                                                       `"" <nil> 0`,
	} {
		response, body, err := w.rawHTTP("POST", "POST "+site.URL+"/ HTTP/1.1\r\nHost: x\r\n"+headers)
		if err != nil {
			t.Errorf("%q: %v", headers, err)
			continue
		}
		if got := fmt.Sprint(response.StatusCode); got != want && body != want {
			t.Errorf("%q: %s %q, want %s", headers, got, body, want)
		}
	}
}
