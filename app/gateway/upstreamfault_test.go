package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"fairlead/build/proxytest"
)

// connect asks a proxy at an address for a tunnel, and returns the status and the text of its answer.
func connect(t *testing.T, at, target string) (status int, text string) {
	t.Helper()
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(60 * time.Second))
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: target}, Host: target, Header: http.Header{}}
	if err := request.Write(conn); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode == http.StatusOK {
		return response.StatusCode, "" // the rest is the target's
	}
	defer response.Body.Close()
	body := make([]byte, 4096)
	n, _ := response.Body.Read(body)
	return response.StatusCode, string(body[:n])
}

// What is wrong with an upstream is said of it, in each protocol, and never in its own pages.
func TestAnUpstreamsFaultNamesTheUpstream(t *testing.T) {
	port := corpSite(t)
	c, stranger := proxytest.NewCertificates(t), proxytest.NewCertificates(t)
	tinyproxy := proxytest.Tinyproxy(t, corpHosts)
	login := proxytest.Tinyproxy(t, proxytest.Options{Login: true})
	denies := proxytest.Tinyproxy(t, corpHosts, "ConnectPort 1")
	squid := proxytest.Squid(t, corpHosts, "acl secret dstdomain secret.corp.example", "http_access deny secret")
	dante, mitmproxy := proxytest.Dante(t, corpHosts), func() *proxytest.Proxy { p, _ := proxytest.Mitmproxy(t, corpHosts); return p }()
	guarded := proxytest.Stunnel(t, c, true, tinyproxy)
	_, closed, _ := net.SplitHostPort(proxytest.Dead(t))
	files := func(c proxytest.Certificates) string {
		return fmt.Sprintf("cert: %q, key: %q", c.File("client.crt"), c.File("client.key"))
	}
	settings := fmt.Sprintf(`
upstreams:
  dead: {url: "http://%s"}
  nowhere: {url: "http://proxy.nowhere.invalid:3128"}
  no-tls: {url: "https://%s"}
  untrusted: {url: "https://%s", %s}
  bare: {url: "https://%[3]s", ca: %[5]q}
  other-certificate: {url: "https://%[3]s", ca: %[5]q, %[6]s}
  other-name: {url: "https://%[3]s", ca: %[5]q, server-name: proxy.corp.example, %[4]s}
  no-login: {url: "http://%[7]s"}
  wrong-login: {url: "http://me:wr0ngsecret@%[7]s"}
  denies: {url: "http://%[8]s"}
  squid: {url: "http://%[9]s"}
  dante: {url: "socks5h://%[10]s"}
  mitmproxy: {url: "http://%[11]s"}
`, proxytest.Dead(t), squid.Address, guarded.Address, files(c), c.File("ca.crt"), files(stranger), login.Address, denies.Address,
		squid.Address, dante.Address, mitmproxy.Address)
	there, gone := "db.corp.example:"+port, "db.corp.example:"+closed
	for _, row := range []struct {
		upstream, target string
		socks5           byte
		status           int
		says             string
	}{
		{"dead", there, 3, 502, "upstream dead (127.0.0.1"},
		{"nowhere", there, 3, 502, "upstream nowhere (proxy.nowhere.invalid:3128) cannot be reached"},
		{"no-tls", there, 3, 502, "upstream no-tls (" + squid.Address + ") cannot be reached: TLS: tls: first record does not look like"},
		{"untrusted", there, 3, 502, "certificate of the upstream untrusted"},
		{"bare", there, 3, 502, "upstream bare (" + guarded.Address + ") does not let Fairlead in: it wants a client certificate"},
		{"other-certificate", there, 3, 502, "upstream other-certificate (" + guarded.Address + ") does not let Fairlead in: it does not accept the client certificate"},
		{"other-name", there, 3, 502, "certificate of the upstream other-name"},
		{"no-login", there, 1, 502, "upstream no-login (" + login.Address + ") wants a user and a password"},
		{"wrong-login", there, 1, 502, "upstream wrong-login (" + login.Address + ") wants a user and a password"},
		{"denies", there, 2, 403, "upstream denies (" + denies.Address + ") does not let " + there + " be reached: CONNECT was answered with 403 Forbidden ("},
		{"squid", "secret.corp.example:443", 2, 403, "does not let secret.corp.example:443 be reached"},
		{"squid", gone, 5, 502, "upstream squid (" + squid.Address + ") reports that " + gone + " refused the connection"},
		{"squid", "nobody.corp.invalid:443", 4, 502, "reports that nobody.corp.invalid:443 "},
		{"dante", gone, 5, 502, "upstream dante (" + dante.Address + ") reports that " + gone + " refused the connection"},
		{"mitmproxy", gone, 4, 502, "upstream mitmproxy"},
	} {
		t.Run(row.upstream+" "+row.target, func(t *testing.T) {
			t.Parallel()
			at := served(t, outsideOf(t, settings+"defaults: {outside: "+row.upstream+"}\n"))
			status, text := connect(t, at, row.target)
			if status != row.status || !strings.Contains(text, row.says) {
				t.Errorf("CONNECT: %d %q, want %d %q", status, text, row.status, row.says)
			}
			if reply := socksReply(t, at, row.target); reply != row.socks5 {
				t.Errorf("SOCKS5 reply %d, want %d", reply, row.socks5)
			}
			for _, secret := range []string{"wr0ngsecret", "<html", "<HTML", "<body", "<title"} {
				if strings.Contains(text, secret) {
					t.Errorf("the answer has %q: %q", secret, text)
				}
			}
			if row.target != there || row.upstream == "denies" || row.upstream == "wrong-login" {
				return // plain HTTP gets the upstream's own answer
			}
			const public = "The proxy on the way to "
			if status, text := ask(t, "http://"+at, "http://"+row.target+"/"); status != row.status || !strings.HasPrefix(text, public) {
				t.Errorf("plain HTTP: %d %q, want %d %q", status, text, row.status, public)
			}
		})
	}
}

// socksReply asks a proxy at an address by SOCKS5, and returns its reply.
func socksReply(t *testing.T, at, target string) byte {
	t.Helper()
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(60 * time.Second))
	host, digits, _ := net.SplitHostPort(target)
	port, err := strconv.Atoi(digits)
	if err != nil {
		t.Fatal(err)
	}
	request := append([]byte{5, 1, 0, 5, 1, 0, 3, byte(len(host))}, host...)
	if _, err := conn.Write(append(request, byte(port>>8), byte(port))); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, 4)
	if _, err := io.ReadFull(conn, append([]byte{}, 0, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, reply); err != nil {
		t.Fatal(err)
	}
	return reply[1]
}
