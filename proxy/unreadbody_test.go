package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A request whose body nobody has read when its answer is there: the connection goes on with the next request.
func TestAnUnreadBodyDoesNotEndTheConnection(t *testing.T) {
	site := web(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "unread") })
	w := open(t, by(func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == "refused.example:80" {
			return nil, syscall.ECONNREFUSED
		}
		return through{}.DialContext(ctx, network, address)
	}))
	conn := w.connect()
	_ = conn.SetDeadline(time.Now().Add(patience)) // it was just opened
	answers := bufio.NewReader(conn)
	body := strings.Repeat("x", 9000) // more than net/http has in its buffer
	for i := range 3 {
		for url, want := range map[string]int{"http://refused.example/": http.StatusBadGateway, site.URL + "/": http.StatusOK} {
			host := strings.Trim(strings.TrimPrefix(url, "http://"), "/")
			if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", url, host, len(body), body); err != nil {
				t.Fatalf("request %d: %v\n%s", i, err, w.logText())
			}
			response, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatalf("request %d to %s: %v\n%s", i, url, err, w.logText())
			}
			if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != want {
				t.Fatalf("request %d to %s: %s (%s), %v", i, url, response.Status, response.Header.Get("Proxy-Status"), err)
			}
			_ = response.Body.Close()
		}
	}
}
