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

// answering is a target that answers each request of a connection with the next text, and the last one again and again.
func answering(t *testing.T, answers ...string) string {
	t.Helper()
	return target(t, func(conn *net.TCPConn) {
		ahead := bufio.NewReader(conn)
		for i := 0; ; i = min(i+1, len(answers)-1) {
			if _, err := http.ReadRequest(ahead); err != nil {
				return
			}
			if _, err := io.WriteString(conn, answers[i]); err != nil {
				return
			}
		}
	})
}

const okHead = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"

// final reads interim responses and the one after them.
func final(t *testing.T, from *bufio.Reader) (*http.Response, string) {
	t.Helper()
	for {
		response, err := http.ReadResponse(from, nil)
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode >= 200 {
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			return response, string(body)
		}
	}
}

// A number that is no final status would make net/http panic.
func TestAStatusThatIsNoneIsAnError(t *testing.T) {
	for _, status := range []string{"099", "000", "+99", "001"} {
		to := answering(t, "HTTP/1.1 "+status+" x\r\nContent-Length: 2\r\n\r\nok", okHead+"\r\nok")
		w := open(t, direct())
		conn := w.connect()
		ahead := bufio.NewReader(conn)
		_, _ = fmt.Fprintf(conn, "GET http://%s/ HTTP/1.1\r\nHost: x\r\n\r\nGET http://%s/ HTTP/1.1\r\nHost: x\r\n\r\n", to, answering(t, okHead+"\r\nok"))
		response, err := http.ReadResponse(ahead, nil)
		if err != nil || response.StatusCode != 502 || !strings.Contains(response.Header.Get("Proxy-Status"), "error=http_protocol_error;") {
			t.Errorf("%s: %+v, %v", status, response, err)
			w.forgetLog()
			continue
		}
		_, _ = io.Copy(io.Discard, response.Body)
		if response, body := final(t, ahead); response.StatusCode != 200 || body != "ok" {
			t.Errorf("%s, the next request: %+v %q", status, response, body)
		}
		w.waitReports(2)
	}
}
