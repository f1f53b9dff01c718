//go:build linux

package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/app/explain"
	"fairlead/app/logging"
	"fairlead/build/desktoptest"
	"fairlead/build/testport"
	"fairlead/kube"
)

// A cause is one row of the answers table, provoked for real, with a context of its own and a target.
type cause struct {
	context string
	entry   entry
	host    string
	port    int
	want    explain.Explanation
	silent  bool // concerns only the client: there is no notification
	full    bool // the only allowed connection is open already
}

// TestEveryCauseIsShownInEveryColumn provokes each row of app/explain's table with the real cluster and the built
// program, sends a request in each protocol, and compares what the client, the log and the desktop show.
func TestEveryCauseIsShownInEveryColumn(t *testing.T) {
	b := newTroubled(t)
	causes := b.causes(t)
	ports := b.start(t, causes)
	t.Run("causes", func(t *testing.T) { b.ask(t, causes, ports) })
	b.wantFewNotifications(t, causes)
}

// ask sends the requests of each cause, all at the same time.
func (b *troubled) ask(t *testing.T, causes []cause, ports map[string]int) {
	for _, c := range causes {
		t.Run(c.context, func(t *testing.T) {
			t.Parallel()
			address := net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[c.context]))
			if c.full {
				conn, reply := socks5(t, address, "echo.default", 7)
				if reply != 0 {
					t.Fatalf("the one connection: SOCKS reply %d", reply)
				}
				wantEcho(t, conn, "open")
			}
			var told sync.WaitGroup
			for _, ask := range []func(*testing.T, string, cause){wantSOCKS5, wantSOCKS4, wantConnect, wantPlainHTTP, wantScript, wantErrorPage} {
				told.Go(func() { ask(t, address, c) })
			}
			told.Wait()
			b.wantLogged(t, c)
		})
	}
}

func wantSOCKS5(t *testing.T, address string, c cause) {
	request := append([]byte{5, 1, 0, 5, 1, 0, 3, byte(len(c.host))}, c.host...)
	request = append(request, byte(c.port>>8), byte(c.port))
	reply := exchange(t, address, request, 12)
	if reply != nil && reply[3] != c.want.SOCKS5 {
		t.Errorf("SOCKS5 reply %d, want %d", reply[3], c.want.SOCKS5)
	}
}

func wantSOCKS4(t *testing.T, address string, c cause) {
	request := []byte{4, 1, byte(c.port >> 8), byte(c.port), 0, 0, 0, 1, 0}
	request = append(append(request, c.host...), 0)
	reply := exchange(t, address, request, 8)
	if reply != nil && reply[1] != c.want.SOCKS4 {
		t.Errorf("SOCKS4 reply %d, want %d", reply[1], c.want.SOCKS4)
	}
}

// answerWithin is longer than Fairlead takes for a dial that fails.
const answerWithin = 2 * time.Minute

// exchange sends request and reads length bytes. It reports errors itself, and then returns nil, because it is called
// from goroutines, which must not end the test.
func exchange(t *testing.T, address string, request []byte, length int) []byte {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer conn.Close()
	reply := make([]byte, length)
	_ = conn.SetDeadline(time.Now().Add(answerWithin)) // an open connection inherits it
	if _, err = conn.Write(request); err == nil {
		_, err = io.ReadFull(conn, reply)
	}
	if err != nil {
		t.Errorf("no reply to % x: %v", request[:3], err)
		return nil
	}
	return reply
}

func wantConnect(t *testing.T, address string, c cause) {
	target := net.JoinHostPort(c.host, strconv.Itoa(c.port))
	wantHTTP(t, address, c, "CONNECT "+target+" HTTP/1.1\r\nHost: "+target+"\r\n\r\n", c.want.Text()+"\n")
}

func wantPlainHTTP(t *testing.T, address string, c cause) {
	target := net.JoinHostPort(c.host, strconv.Itoa(c.port))
	wantHTTP(t, address, c, "GET http://"+target+"/ HTTP/1.1\r\nHost: "+target+"\r\nAccept: */*\r\n\r\n", c.want.Text()+"\n")
}

// wantScript sends a request like the script of a web page, which must learn nothing about the user, the cluster and
// the way to it.
func wantScript(t *testing.T, address string, c cause) {
	target := net.JoinHostPort(c.host, strconv.Itoa(c.port))
	wantHTTP(t, address, c, "GET http://"+target+"/ HTTP/1.1\r\nHost: "+target+
		"\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\nAccept-Language: en\r\n\r\n", c.public().Public()+"\n")
}

func wantErrorPage(t *testing.T, address string, c cause) {
	target := net.JoinHostPort(c.host, strconv.Itoa(c.port))
	wantHTTP(t, address, c, "GET http://"+target+"/ HTTP/1.1\r\nHost: "+target+
		"\r\nAccept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n\r\n", c.public().Page())
}

func wantHTTP(t *testing.T, address string, c cause, request, body string) {
	what, _, _ := strings.Cut(request, "\r\n")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(answerWithin)) // an open connection inherits it
	if _, err := io.WriteString(conn, request); err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if response.StatusCode != c.want.Status {
		t.Errorf("%s: HTTP %d, want %d", what, response.StatusCode, c.want.Status)
	}
	if status, want := response.Header.Get("Proxy-Status"), "fairlead; error="+c.want.ProxyStatus+";"; !strings.HasPrefix(status, want) {
		t.Errorf("%s: Proxy-Status %q, want %q", what, status, want)
	}
	if string(got) != body {
		_, told, _ := strings.Cut(string(got), "<main>") // the part of a page that differs
		t.Errorf("%s gets\n %s, want\n %s", what, cmp.Or(told, string(got)), body)
	}
}

// troubled is a desktop with a Fairlead whose contexts all have trouble.
type troubled struct {
	desktop *onDesktop
	dir     string // its state
}

func newTroubled(t *testing.T) *troubled {
	t.Helper()
	d := newDesktop(t, desktoptest.Options{Notifications: desktoptest.Recorder})
	return &troubled{desktop: d, dir: filepath.Join(d.Getenv("XDG_STATE_HOME"), "fairlead")}
}

// start runs Fairlead with every context on, as if it had been left so, and returns their ports once they listen.
func (b *troubled) start(t *testing.T, causes []cause) map[string]int {
	t.Helper()
	entries := map[string]entry{}
	ports := map[string]int{}
	contexts := map[string]any{}
	for _, c := range causes {
		entries[c.context] = c.entry
		ports[c.context] = testport.Free(t)
		contexts[c.context] = map[string]any{"port": ports[c.context], "on": true}
	}
	kubeconfig := filepath.Join(b.desktop.Home(), "kubeconfig")
	writeJSON(t, kubeconfig, kubeconfigOf(entries))
	writeJSON(t, filepath.Join(b.dir, "state.json"), map[string]any{
		"version": 1, "contexts": contexts, "plugins": plugins(kubeconfig, causes),
	})
	writeJSON(t, filepath.Join(b.desktop.Getenv("XDG_CONFIG_HOME"), "fairlead", "config.yaml"), map[string]any{
		"login-shell": false, // the PATH is the test's
		"contexts": map[string]any{
			"no-outside": map[string]any{"outside": "refuse"},
			"full":       map[string]any{"limits": map[string]any{"connections": 1}},
		},
	})
	b.desktop.start(t, kubeconfig)
	for name, port := range ports {
		b.desktop.icon.WaitFor(t, name+" to listen", func(desktoptest.Node) bool {
			conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			if err == nil {
				conn.Close()
			}
			return err == nil
		})
	}
	return ports
}

// plugins returns the hashes of the contexts' credential plugins, as if the user had switched them on before.
func plugins(kubeconfig string, causes []cause) map[string]bool {
	hashes := map[string]bool{}
	for _, c := range causes {
		cluster, err := kube.Open(kube.Config{Kubeconfig: kubeconfig, Context: c.context})
		if err == nil && cluster.Plugin() != "" { // some contexts cannot be opened: that is their trouble
			hashes[cluster.Plugin()] = true
		}
	}
	return hashes
}

// writeJSON writes content to a file as JSON, which is YAML as well.
func writeJSON(t *testing.T, file string, content any) {
	t.Helper()
	data, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// wantFewNotifications fails the test if so many contexts in trouble made more than a few notifications, or one says what
// only a client should see. What one context's notification says is for other tests.
func (b *troubled) wantFewNotifications(t *testing.T, causes []cause) {
	t.Helper()
	b.desktop.WaitNotification(t, "of contexts that have no room of their own", func(n desktoptest.Notification) bool {
		return strings.Contains(n.Summary, "more contexts have problems")
	})
	cards := map[uint32]bool{}
	for _, n := range b.desktop.Notifications(t) {
		cards[n.ID] = true
		for _, c := range causes {
			if c.silent && strings.Contains(n.Summary+"\n"+n.Body, c.context+": ") {
				t.Errorf("notified of what concerns the client alone: %+v", n)
			}
		}
	}
	if len(cards) > 4 {
		t.Errorf("%d notifications at once: %+v", len(cards), b.desktop.Notifications(t))
	}
}

// wantLogged waits for the six log lines of a cause's six requests. Each must have the sentence and the error.
func (b *troubled) wantLogged(t *testing.T, c cause) {
	target := net.JoinHostPort(c.host, strconv.Itoa(c.port))
	var lines []logLine
	for begun := time.Now(); len(lines) < 6; {
		if lines = b.logged(t, c.context, target); time.Since(begun) > 30*time.Second {
			t.Errorf("%d log lines of %s, want 6: %+v", len(lines), target, lines)
			return
		}
	}
	protocols := map[string]int{}
	for _, l := range lines {
		protocols[l.Protocol]++
		if l.Level != "warn" || l.Said != c.want.Sentence || l.Error == "" {
			t.Errorf("logged %+v, want the sentence %q", l, c.want.Sentence)
		}
	}
	if fmt.Sprint(protocols) != "map[connect:1 http:3 socks4:1 socks5:1]" {
		t.Errorf("logged by protocol: %v", protocols)
	}
}

// A logLine is one line of fairlead.log about a connection.
type logLine struct {
	Level, Context, Protocol, Target, Error, Said, Message string
}

func (b *troubled) logged(t *testing.T, context, target string) (lines []logLine) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(b.dir, logging.FileName))
	if err != nil {
		t.Fatal(err)
	}
	for text := range strings.Lines(string(data)) {
		var l logLine
		if !strings.HasSuffix(text, "\n") {
			continue // the next read will have all of it
		}
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("log line %q: %v", text, err)
		}
		if l.Message == "connection" && l.Context == context && l.Target == target {
			lines = append(lines, l)
		}
	}
	return lines
}
