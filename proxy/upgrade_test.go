package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"fairlead/proxy"
)

func TestUpgradePassesBytesBothWays(t *testing.T) {
	to := target(t, func(conn *net.TCPConn) {
		ahead := bufio.NewReader(conn)
		r, err := http.ReadRequest(ahead)
		if err != nil || r.Header.Get("Upgrade") != "chat" || r.Header.Get("Connection") != "Upgrade" {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\nhello")
		_, _ = io.Copy(conn, ahead)
	})
	w := open(t, direct())
	conn := w.connect()
	_, _ = fmt.Fprintf(conn, "GET http://%s/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\neager", to)
	ahead := bufio.NewReader(conn)
	response, err := http.ReadResponse(ahead, nil)
	if err != nil || response.StatusCode != 101 || response.Header.Get("Upgrade") != "chat" {
		t.Fatalf("%+v, %v", response, err)
	}
	_, _ = conn.Write([]byte(" and more"))
	_ = conn.CloseWrite()
	if got, err := io.ReadAll(ahead); err != nil || string(got) != "helloeager and more" {
		t.Errorf("%q, %v", got, err)
	}
	if r := w.waitReports(1)[0]; r.Protocol != proxy.HTTP || r.Err != nil || r.Sent < 14 || r.Received < 19 {
		t.Errorf("report %+v", r)
	}
}

func TestRefusedUpgradeLeavesTheClientConnectionUsable(t *testing.T) {
	site := web(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Header.Get("Upgrade")) })
	w := open(t, direct())
	conn := w.connect()
	ahead := bufio.NewReader(conn)
	for _, upgrade := range []string{"Connection: Upgrade\r\nUpgrade: chat\r\n", ""} {
		_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", site.URL, upgrade)
		response, err := http.ReadResponse(ahead, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(response.Body); err != nil || response.StatusCode != 200 || (upgrade != "") != (string(body) == "chat") {
			t.Errorf("%d, %q, %v", response.StatusCode, body, err)
		}
	}
}

// A client that got a tunnel unasked would send its next request, for another target, into it.
func TestSwitchThatNobodyAskedForIsAnError(t *testing.T) {
	const switching = "HTTP/1.1 101 Switching Protocols\r\n"
	site := web(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "mine") })
	for name, row := range map[string]struct{ asked, answer string }{
		"not asked":                {"", switching + "Upgrade: chat\r\nConnection: Upgrade\r\n\r\n"},
		"not asked, nothing named": {"", switching + "\r\n"},
		"no Connection":            {"Upgrade: chat\r\n", switching + "Upgrade: chat\r\nConnection: Upgrade\r\n\r\n"},
		"another protocol":         {"Connection: Upgrade\r\nUpgrade: chat\r\n", switching + "Upgrade: tea\r\nConnection: Upgrade\r\n\r\n"},
		"nothing named":            {"Connection: Upgrade\r\nUpgrade: chat\r\n", switching + "\r\n"},
		"named and not switched":   {"Connection: Upgrade\r\nUpgrade: chat\r\n", switching + "Upgrade: chat\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			leaked := make(chan string, 1)
			to := target(t, func(conn *net.TCPConn) {
				ahead := bufio.NewReader(conn)
				if _, err := http.ReadRequest(ahead); err != nil {
					return
				}
				_, _ = io.WriteString(conn, row.answer)
				rest, _ := io.ReadAll(ahead)
				leaked <- string(rest)
			})
			w := open(t, direct())
			conn := w.connect()
			ahead := bufio.NewReader(conn)
			_, _ = fmt.Fprintf(conn, "GET http://%s/ HTTP/1.1\r\nHost: x\r\n%s\r\nGET %s/ HTTP/1.1\r\nHost: x\r\nCookie: secret=1\r\n\r\n", to, row.asked, site.URL)
			response, err := http.ReadResponse(ahead, nil)
			if err != nil || response.StatusCode != 502 || !strings.Contains(response.Header.Get("Proxy-Status"), "error=http_protocol_error;") {
				t.Fatalf("%+v, %v", response, err)
			}
			_, _ = io.Copy(io.Discard, response.Body)
			if response, body := final(t, ahead); response.StatusCode != 200 || body != "mine" {
				t.Errorf("the next request: %+v %q", response, body)
			}
			if rest := <-leaked; rest != "" {
				t.Errorf("the target got %q as well", rest)
			}
			w.waitReports(2)
		})
	}
}

// HTTP/1.0 knows no upgrades.
func TestAnOldClientIsNotSwitched(t *testing.T) {
	to := replaying(t, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
	w := open(t, direct())
	response, _, err := w.rawHTTP("GET", "GET http://"+to+"/ HTTP/1.0\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n")
	if err != nil || response.StatusCode != 502 {
		t.Errorf("%+v, %v", response, err)
	}
}
