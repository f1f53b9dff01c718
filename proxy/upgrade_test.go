package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
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

func TestSwitchThatNobodyAskedForIsAnError(t *testing.T) {
	to := target(t, func(conn *net.TCPConn) {
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\n")
		_, _ = conn.Read(make([]byte, 1))
	})
	w := open(t, direct())
	response, _, err := w.rawHTTP("GET", "GET http://"+to+"/ HTTP/1.1\r\nHost: x\r\n\r\n")
	if err != nil || response.StatusCode != 502 {
		t.Errorf("%+v, %v", response, err)
	}
}
