package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"fairlead/proxy"
)

const secret = "s3cret:%pass"

func guarded(config proxy.Config) proxy.Config {
	config.Credentials = &proxy.Credentials{User: "me", Password: secret}
	return config
}

func TestCurlWithCredentialsIsServedByEveryProtocol(t *testing.T) {
	seen := make(chan http.Header, 1)
	site := web(t, func(w http.ResponseWriter, r *http.Request) { seen <- r.Header; _, _ = io.WriteString(w, "hello") })
	w := open(t, guarded(direct()))
	for _, args := range [][]string{{"socks5h://"}, {"socks5://"}, {"http://"}, {"http://", "--proxytunnel"}, {"http://", "--proxy-anyauth"}, {"http://", "--proxy-anyauth", "--proxytunnel"}} {
		out, code := curl(t, append([]string{"--proxy", args[0] + w.addr, "--proxy-user", "me:" + secret, site.URL}, args[1:]...)...)
		if code != 0 || out != "hello" {
			t.Errorf("curl %v: exit %d, %q", args, code, out)
			continue
		}
		if header := <-seen; header.Get("Proxy-Authorization") != "" || header.Get("Authorization") != "" {
			t.Errorf("curl %v: the target got %v", args, header)
		}
	}
}

func TestWithoutTheCredentialsNobodyIsServed(t *testing.T) {
	site := web(t, func(http.ResponseWriter, *http.Request) { t.Error("the target was reached") })
	w := open(t, guarded(direct()))
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--proxy", "socks5h://" + w.addr}, "(97)"},
		{[]string{"--proxy", "socks5h://" + w.addr, "--proxy-user", "me:wrong"}, "(97)"},
		{[]string{"--proxy", "socks5h://" + w.addr, "--proxy-user", "me:"}, "(97)"},
		{[]string{"--proxy", "socks4a://" + w.addr}, "(97)"},
		{[]string{"--proxy", "http://" + w.addr, "-w", "%{http_code}"}, "407"},
		{[]string{"--proxy", "http://" + w.addr, "-w", "%{http_code}", "--proxy-user", "me:" + secret + "x"}, "407"},
		{[]string{"--proxy", "http://" + w.addr, "-w", "%{http_code}", "--proxy-user", "you:" + secret}, "407"},
		{[]string{"--proxy", "http://" + w.addr, "-w", "%{http_connect}", "--proxytunnel"}, "407"},
		{[]string{"--proxy", "http://" + w.addr, "-w", "%{http_code}", "--proxy-digest", "--proxy-user", "me:" + secret}, "407"},
		{[]string{"--proxy", "http://" + w.addr, "-w", "%{http_code}", "--proxy-header", "Proxy-Authorization: Basic !!"}, "407"},
	} {
		if out, _ := curl(t, append(c.args, site.URL)...); !strings.Contains(out, c.says) {
			t.Errorf("curl %v: %q, want %s", c.args, out, c.says)
		}
	}
	if !w.logged("wrong user or password") || w.logged("wrong\"") || w.logged(secret) {
		t.Errorf("log:\n%s", w.logText())
	}
	if n := strings.Count(w.logText(), "wrong user or password"); n != 1 {
		t.Errorf("%d lines for one burst", n)
	}
	w.waitReports(0)
}

func TestChallengeLeavesTheConnectionUsable(t *testing.T) {
	to := target(t, echo)
	w := open(t, guarded(direct()))
	conn := w.connect()
	ahead := bufio.NewReader(conn)
	_, _ = fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: x\r\n\r\n", to)
	response, err := http.ReadResponse(ahead, &http.Request{Method: http.MethodConnect})
	if err != nil || response.StatusCode != 407 || response.Header.Get("Proxy-Authenticate") != `Basic realm="fairlead", charset="UTF-8"` {
		t.Fatalf("%+v, %v", response, err)
	}
	if body, err := io.ReadAll(response.Body); err != nil || !strings.Contains(string(body), "a user and a password") {
		t.Fatalf("%q, %v", body, err)
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodConnect, "http://"+to, nil)
	r.SetBasicAuth("me", secret)
	_, _ = fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: x\r\nProxy-Authorization: %s\r\n\r\nping", to, r.Header.Get("Authorization"))
	_ = conn.CloseWrite()
	if got, err := io.ReadAll(ahead); err != nil || !strings.HasSuffix(string(got), "established\r\n\r\nping") {
		t.Errorf("%q, %v", got, err)
	}
}

func TestClientMayTellWhoItIsWhereNobodyAsks(t *testing.T) {
	to := target(t, echo)
	w := open(t, direct())
	conn := w.connect()
	_, _ = conn.Write([]byte("\x05\x01\x02\x01\x02me\x06secret"))
	if got := make([]byte, 4); readFull(t, conn, got) != "\x05\x02\x01\x00" {
		t.Fatalf("% x", got)
	}
	_, _ = conn.Write(socksRequest(to)[3:])
	if got := make([]byte, 10); readFull(t, conn, got)[1] != 0 {
		t.Errorf("% x", got)
	}
}

func TestANewPasswordHoldsForOpenHTTPConnections(t *testing.T) {
	site := web(t, func(http.ResponseWriter, *http.Request) {})
	w := open(t, direct())
	client := w.client()
	status := func() int {
		response, err := client.Get(site.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		return response.StatusCode
	}
	if got := status(); got != 200 {
		t.Errorf("before: %d", got)
	}
	w.server.Reconfigure(guarded(direct()))
	if got := status(); got != 407 {
		t.Errorf("after: %d", got)
	}
}

func readFull(t *testing.T, r io.Reader, into []byte) string {
	t.Helper()
	if n, err := io.ReadFull(r, into); err != nil {
		t.Fatalf("% x, %v", into[:n], err)
	}
	return string(into)
}
