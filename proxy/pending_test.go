package proxy_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// head is a request of some 62 KiB without a password, whose body never comes: as many fields as fit, or as many bytes.
func head(fields int) string {
	const size = 62 << 10
	var b strings.Builder
	b.WriteString("POST http://x/ HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n")
	for i := range fields {
		name := fmt.Sprintf("%x:", i)
		fmt.Fprintf(&b, "%s%s\r\n", name, strings.Repeat("v", max(0, size/fields-len(name)-2)))
	}
	return b.String() + "\r\n"
}

// clientHello is most of a TLS message of 64 KiB, the longest that a server waits for (RFC 8446 4 and 5.1).
func clientHello() string {
	const record = 16 << 10
	content := "\x01\x00\xff\xf0" + strings.Repeat("x", 4*record-1000)
	var b strings.Builder
	for part := range slices.Chunk([]byte(content), record) {
		fmt.Fprintf(&b, "\x16\x03\x01%c%c%s", len(part)>>8, byte(len(part)), part)
	}
	return b.String()
}

// A crowd is many clients that say something without the password, and never more.
type crowd struct {
	stop    chan struct{}
	members sync.WaitGroup
}

// join connects n clients, each again when it is cut, up to twice, and waits until each has been answered or cut once.
func join(t *testing.T, addr string, n int, says string, answered bool) {
	t.Helper()
	c := &crowd{stop: make(chan struct{})}
	var ready sync.WaitGroup
	for range n {
		ready.Add(1)
		c.members.Go(func() {
			once := sync.OnceFunc(ready.Done)
			defer once()
			for range 3 {
				if c.stay(addr, says, answered, once) {
					return
				}
				once()
			}
		})
	}
	t.Cleanup(func() {
		close(c.stop)
		c.members.Wait()
	})
	ready.Wait()
}

// stay is one connection of the crowd. It reports whether the crowd is over.
func (c *crowd) stay(addr, says string, answered bool, ready func()) bool {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	ended := make(chan struct{})
	defer func() {
		_ = conn.Close()
		<-ended
	}()
	go func() {
		defer close(ended)
		_, _ = io.WriteString(conn, says)
		if !answered {
			ready()
		}
		rest := make([]byte, 64)
		for {
			_, err := conn.Read(rest)
			if err != nil {
				return
			}
			ready()
		}
	}()
	select {
	case <-c.stop:
		return true
	case <-ended:
		return false
	}
}

// liveHeap is what is in use of the heap when garbage has been collected.
func liveHeap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func TestClientsWithoutThePasswordTakeLittleMemory(t *testing.T) {
	const peak, settled = 96 << 20, 64 << 20
	config := newAuthority(t).secured(guarded(direct()))
	config.Handshake = time.Minute
	for name, c := range map[string]struct {
		says     string
		answered bool
	}{
		"tiny fields":  {head(9000), true},
		"large fields": {head(200), true},
		"folded":       {strings.Replace(head(1), "0:", "0:"+strings.Repeat(" a\r\n", 10000), 1), true},
		"no end":       {strings.TrimSuffix(head(200), "\r\n"), false},
		"TLS":          {clientHello(), false},
	} {
		t.Run(name, func(t *testing.T) {
			to := target(t, echo)
			w := open(t, config)
			before := liveHeap()
			over := func(bound uint64) bool { return liveHeap() > before+bound }
			join(t, w.addr, 1100, c.says, c.answered)
			w.passes(50, to)
			for range 5 {
				if over(peak) {
					t.Errorf("more than %d MiB in use for them", peak>>20)
				}
			}
			eventually(t, "memory to be free again", func() bool { return !over(settled) })
			w.passes(2, to)
		})
	}
}

// passes lets n clients with the password ask for a tunnel at the same time.
func (w *world) passes(n int, to string) {
	w.t.Helper()
	var clients sync.WaitGroup
	for i := range n {
		clients.Go(func() {
			conn, err := net.Dial("tcp", w.addr)
			if err != nil {
				w.t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(patience))
			if got, err := askWithPassword(conn, i%2 == 0, "me", secret, to); err != nil || got != allowed {
				w.t.Errorf("client %d: %v, %v", i, got, err)
				return
			}
			_, _ = io.WriteString(conn, "ping")
			if got := make([]byte, 4); i%2 == 0 {
				if _, err := io.ReadFull(conn, got); err != nil || string(got) != "ping" {
					w.t.Errorf("client %d: %q, %v", i, got, err)
				}
			}
		})
	}
	clients.Wait()
}

// What becomes of a password.
const (
	allowed = "allowed"
	denied  = "denied"
)

// askWithPassword asks for a tunnel by SOCKS5 or HTTP CONNECT. Without an answer there is an error.
func askWithPassword(conn net.Conn, socks bool, user, password, to string) (string, error) {
	if !socks {
		login := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
		if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic %s\r\n\r\n", to, login); err != nil {
			return "", err
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
		if err != nil {
			return "", err
		}
		return map[int]string{200: allowed, 407: denied}[response.StatusCode], nil
	}
	answer := make([]byte, 2)
	for _, message := range []string{"\x05\x01\x02", fmt.Sprintf("\x01%c%s%c%s", len(user), user, len(password), password)} {
		if _, err := io.WriteString(conn, message); err != nil {
			return "", err
		}
		if _, err := io.ReadFull(conn, answer); err != nil {
			return "", err
		}
	}
	if answer[1] != 0 {
		return denied, nil
	}
	if _, err := conn.Write(socksRequest(to)[3:]); err != nil {
		return "", err
	}
	reply := make([]byte, 10)
	if _, err := io.ReadFull(conn, reply); err != nil {
		return "", err
	}
	return map[byte]string{0: allowed}[reply[1]], nil
}

func TestAnIdleCrowdKeepsNobodyOut(t *testing.T) {
	to := target(t, echo)
	for name, says := range map[string]string{"silent": "", "asked for a password": "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", "half a SOCKS5 handshake": "\x05\x01"} {
		t.Run(name, func(t *testing.T) {
			config := guarded(direct())
			config.Handshake = time.Hour
			w := open(t, config)
			join(t, w.addr, 1500, says, false)
			w.passes(20, to)
			eventually(t, "a line in the log", func() bool { return w.logged("to serve others") })
		})
	}
}

// Those that have been admitted do not give way.
func TestACrowdCutsNoTunnel(t *testing.T) {
	to := target(t, echo)
	config := direct()
	config.MaxConnections, config.Handshake = 10, time.Hour
	w := open(t, config)
	tunnel := w.tunnel(to)
	join(t, w.addr, 100, "", false)
	_, _ = tunnel.Write([]byte("alive"))
	_ = tunnel.CloseWrite()
	if got, err := io.ReadAll(tunnel); err != nil || string(got) != "alive" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestTheBodyOfARequestWithoutThePasswordIsNotAwaitedForEver(t *testing.T) {
	config := guarded(direct())
	config.Handshake = 500 * time.Millisecond
	w := open(t, config)
	conn := w.connect()
	_, _ = io.WriteString(conn, head(1))
	got, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 407 ") {
		t.Errorf("%.40q, %v", got, err)
	}
}

func TestAHeaderHasSoManyFields(t *testing.T) {
	to := target(t, echo)
	w := open(t, direct())
	for fields, want := range map[int]int{255: http.StatusOK, 256: http.StatusRequestHeaderFieldsTooLarge} { // and Host
		request := "CONNECT " + to + " HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: y\r\n", fields) + "\r\n"
		conn := w.connect()
		_, _ = io.WriteString(conn, request)
		response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
		if err != nil || response.StatusCode != want {
			t.Errorf("%d fields: %+v, %v", fields, response, err)
		}
		_ = conn.Close()
	}
}
