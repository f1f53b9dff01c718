package proxy_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"fairlead/proxy"
)

func TestCurlReachesNamesThroughSOCKS4A(t *testing.T) {
	site := web(t, func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, "hello ", r.Host) })
	to := strings.TrimPrefix(site.URL, "http://")
	w := open(t, proxy.Config{Rules: []proxy.Rule{{Name: "cluster", Dialer: through{names: map[string]string{"hello.default:80": to}}}}})
	for url, kind := range map[string]string{"http://hello.default/": "socks4a", site.URL: "socks4"} {
		out, code := curl(t, "--proxy", kind+"://someone@"+w.addr, url)
		if code != 0 || !strings.HasPrefix(out, "hello ") {
			t.Errorf("%s: exit %d, %q", kind, code, out)
		}
	}
	for _, r := range w.waitReports(2) {
		if r.Protocol != proxy.SOCKS4 || r.Err != nil {
			t.Errorf("report %+v", r)
		}
	}
}

func TestSOCKS4RequestsAreJudged(t *testing.T) {
	to := target(t, echo)
	w := open(t, proxy.Config{Rules: []proxy.Rule{{Name: "all", Dialer: through{names: map[string]string{"e.cho:80": to}}}}})
	long := strings.Repeat("x", 256)
	for name, c := range map[string]struct {
		send, want string
		early      bool // the end of the client's direction follows at once
	}{
		"4a with early data":   {"\x04\x01\x00\x50\x00\x00\x00\x07me\x00e.cho\x00early", "\x00\x5a\x00\x00\x00\x00\x00\x00early", true},
		"unknown name":         {"\x04\x01\x00\x50\x00\x00\x00\x01\x00nobody\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00", false},
		"empty name":           {"\x04\x01\x00\x50\x00\x00\x00\x01\x00\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00", false},
		"bind":                 {"\x04\x02\x00\x50\x01\x02\x03\x04\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00", false},
		"user id without end":  {"\x04\x01\x00\x50\x01\x02\x03\x04" + long, "\x00\x5b\x00\x00\x00\x00\x00\x00", false},
		"name without end":     {"\x04\x01\x00\x50\x00\x00\x00\x01\x00" + long, "\x00\x5b\x00\x00\x00\x00\x00\x00", false},
		"port 0":               {"\x04\x01\x00\x00\x7f\x00\x00\x01\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00", false},
		"address of no host 0": {"\x04\x01\x00\x00\x00\x00\x00\x00\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00", false},
	} {
		t.Run(name, func(t *testing.T) {
			conn := w.connect()
			_, _ = io.WriteString(conn, c.send)
			if c.early {
				_ = conn.CloseWrite()
			}
			if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, []byte(c.want)) {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}
