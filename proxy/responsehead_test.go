package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// fields are n header fields of size bytes each, with different names.
func fields(n, size int) string {
	var b strings.Builder
	for i := range n {
		name := fmt.Sprintf("%c%c%c:", 'a'+i/676%26, 'a'+i/26%26, 'a'+i%26)
		b.WriteString(name + strings.Repeat("v", max(0, size-len(name)-2)) + "\r\n")
	}
	return b.String()
}

const hintHead = "HTTP/1.1 103 Early Hints\r\n"

func TestAResponseHeadIsBounded(t *testing.T) {
	for name, row := range map[string]struct {
		answer string
		status int
	}{
		"many fields":               {okHead + fields(255, 6) + "\r\nok", 200},
		"too many fields":           {okHead + fields(256, 6) + "\r\nok", 502},
		"lines without CR":          {strings.ReplaceAll(okHead+fields(256, 6)+"\r\nok", "\r\n", "\n"), 502},
		"too many folded lines":     {okHead + "x: y\r\n" + strings.Repeat(" z\r\n", 256) + "\r\nok", 502},
		"large":                     {okHead + fields(60, 1<<10) + "\r\nok", 200},
		"too large":                 {okHead + fields(64, 1<<10) + "\r\nok", 502},
		"no end":                    {okHead + "x: " + strings.Repeat("y", 1<<20), 502},
		"interim":                   {hintHead + fields(256, 6) + "\r\n" + okHead + fields(255, 6) + "\r\nok", 200},
		"interim of many fields":    {hintHead + fields(257, 6) + "\r\n" + okHead + "\r\nok", 502},
		"interim, oddly written":    {"HTTP/1.1    103\r\n" + fields(1, 6) + "\r\n" + okHead + fields(256, 6) + "\r\nok", 502},
		"many fields after interim": {hintHead + "\r\n" + okHead + fields(256, 6) + "\r\nok", 502},
		"interim without end":       {strings.Repeat(hintHead+"Link: </a.css>\r\n\r\n", 5000) + okHead + "\r\nok", 502},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, direct())
			conn := w.connect()
			_, _ = fmt.Fprintf(conn, "GET http://%s/ HTTP/1.1\r\nHost: x\r\n\r\n", answering(t, row.answer))
			response, body := final(t, bufio.NewReader(conn))
			if response.StatusCode != row.status || row.status == 200 && body != "ok" {
				t.Fatalf("%d %.80q, want %d", response.StatusCode, body, row.status)
			}
			r := w.waitReports(1)[0]
			if said := response.Header.Get("Proxy-Status"); row.status == 502 && (!strings.Contains(said, "error=http_response_header_section_size;") || r.Repeated || r.Err == nil) {
				t.Errorf("Proxy-Status %s, report %+v", said, r)
			}
		})
	}
}

// What looks like a header is none in a body, and each response on a connection has its own.
func TestOnlyHeadsAreCounted(t *testing.T) {
	text := strings.Repeat("a: b\r\n\r\n", 20<<10)
	answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s", len(text), fields(200, 200), text)
	to := answering(t, answer, answer, okHead+fields(256, 6)+"\r\nok")
	w := open(t, direct())
	conn := w.connect()
	ahead := bufio.NewReader(conn)
	for i, want := range []int{200, 200, 502} {
		_, _ = fmt.Fprintf(conn, "GET http://%s/ HTTP/1.1\r\nHost: x\r\n\r\n", to)
		if response, body := final(t, ahead); response.StatusCode != want || want == 200 && body != text {
			t.Fatalf("response %d: %d, %d bytes", i, response.StatusCode, len(body))
		}
	}
	w.waitReports(3)
}

func TestAResponseHeadMayComeInPieces(t *testing.T) {
	for name, row := range map[string]struct {
		answer string
		status int
	}{
		"fits":     {hintHead + "\r\n" + okHead + fields(255, 6) + "\r\nok", 200},
		"too many": {hintHead + "\r\n" + okHead + fields(256, 6) + "\r\nok", 502},
	} {
		t.Run(name, func(t *testing.T) {
			to := target(t, func(conn *net.TCPConn) {
				_ = conn.SetNoDelay(true)
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
					return
				}
				for i := range len(row.answer) {
					if _, err := io.WriteString(conn, row.answer[i:i+1]); err != nil {
						return
					}
				}
			})
			w := open(t, direct())
			conn := w.connect()
			_, _ = fmt.Fprintf(conn, "GET http://%s/ HTTP/1.1\r\nHost: x\r\n\r\n", to)
			if response, _ := final(t, bufio.NewReader(conn)); response.StatusCode != row.status {
				t.Errorf("%d, want %d", response.StatusCode, row.status)
			}
		})
	}
}

// Many targets at once answer with as much as a head may have, and never end their bodies.
func TestLargeResponseHeadsTakeLittleMemory(t *testing.T) {
	const clients, peak = 200, 96 << 20
	large := "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" + fields(254, 250) + "\r\nok"
	to, small := answering(t, large), answering(t, okHead+"\r\nok")
	w := open(t, direct())
	before := liveHeap()
	var all sync.WaitGroup
	statuses := make(chan int, clients)
	conns := make([]*net.TCPConn, clients)
	for i := range conns {
		conns[i] = w.connect()
		all.Go(func() {
			_, _ = fmt.Fprintf(conns[i], "GET http://%s/ HTTP/1.1\r\nHost: x\r\n\r\n", to)
			response, err := http.ReadResponse(bufio.NewReader(conns[i]), nil)
			if err != nil {
				t.Error(err)
				return
			}
			statuses <- response.StatusCode
		})
	}
	all.Wait()
	close(statuses)
	count := map[int]int{}
	for status := range statuses {
		count[status]++
	}
	if count[200] < 50 || count[502] < 50 || count[200]+count[502] != clients {
		t.Errorf("by status: %v", count)
	}
	if used := liveHeap() - before; used > peak && liveHeap() > before {
		t.Errorf("%d MiB in use", used>>20)
	}
	if response, body, err := w.rawHTTP("GET", "GET http://"+small+"/ HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil || response.StatusCode != 200 || body != "ok" {
		t.Errorf("a small one: %+v %q, %v", response, body, err)
	}
	for _, conn := range conns {
		_ = conn.Close()
	}
	eventually(t, "a large one to be passed on again", func() bool {
		conn := w.connect()
		defer func() { _ = conn.Close() }()
		_, _ = fmt.Fprintf(conn, "GET http://%s/ HTTP/1.1\r\nHost: x\r\n\r\n", to)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		return err == nil && response.StatusCode == 200
	})
}
