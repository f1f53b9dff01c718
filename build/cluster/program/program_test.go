package program

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(asProgram); name != "" {
		if err := Run(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

var self = Self{Namespace: "ns", Name: "pod", Address: "10.244.0.9", Port: 8080}

func listen(t *testing.T, name string, settings Settings) *Port {
	t.Helper()
	port, err := Listen(name, self, settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(port.Close)
	return port
}

func dial(t *testing.T, port *Port) net.Conn {
	t.Helper()
	conn, err := port.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func get(t *testing.T, port *Port, path string) *http.Response {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return port.Dial(ctx)
	}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://pod"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func TestEveryAnswerOfHTTPNamesItsPod(t *testing.T) {
	port := listen(t, "http", Settings{})
	for path, status := range map[string]int{"/": 200, "/status/404": 404, "/status/999": 400, "/big?bytes=10": 200, "/big?bytes=x": 400, "/ws": 400} {
		response := get(t, port, path)
		if response.StatusCode != status || response.Header.Get("X-Pod") != "ns/pod" {
			t.Errorf("%s: %s from %q", path, response.Status, response.Header.Get("X-Pod"))
		}
	}
}

func TestBigSendsThePattern(t *testing.T) {
	const count = 3<<20 + 7
	response := get(t, listen(t, "http", Settings{}), fmt.Sprintf("/big?bytes=%d", count))
	received, err := io.ReadAll(response.Body)
	if err != nil || len(received) != count || response.ContentLength != count {
		t.Fatalf("%d bytes of %d: %v", len(received), response.ContentLength, err)
	}
	want := make([]byte, count)
	for i := range want {
		want[i] = byte(uint32(i%65521) * 2654435761 >> 13)
	}
	if !bytes.Equal(received, want) {
		t.Error("wrong pattern")
	}
}

func TestSlowSendsItsLinesOneByOne(t *testing.T) {
	lines := bufio.NewScanner(get(t, listen(t, "http", Settings{}), "/slow").Body)
	for i := 1; i <= 5; i++ {
		if want := fmt.Sprintf("line %d of 5 from ns/pod", i); !lines.Scan() || lines.Text() != want {
			t.Fatalf("%q, want %q", lines.Text(), want)
		}
	}
}

func TestWebSocketEchoesMessages(t *testing.T) {
	port := listen(t, "http", Settings{})
	dialer := websocket.Dialer{NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return port.Dial(ctx) }}
	conn, response, err := dialer.DialContext(t.Context(), "ws://pod/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if response.Header.Get("X-Pod") != "ns/pod" {
		t.Errorf("X-Pod: %q", response.Header.Get("X-Pod"))
	}
	if err := conn.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, message, err := conn.ReadMessage(); err != nil || string(message) != "hello" {
		t.Errorf("%q, %v", message, err)
	}
}

func TestAnswerAfterEOFSumsWhatItRead(t *testing.T) {
	conn := dial(t, listen(t, "answers-after-eof", Settings{}))
	fmt.Fprint(conn, "abc")
	if err := conn.(*net.UnixConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if want := fmt.Sprintf("ns/pod read 3 bytes sha256 %x\n", sha256.Sum256([]byte("abc"))); err != nil || string(answer) != want {
		t.Errorf("%q, %v", answer, err)
	}
}

func TestSourceSendsExactlyItsBytes(t *testing.T) {
	received, err := io.ReadAll(dial(t, listen(t, "source", Settings{Bytes: 2_000_003})))
	if err != nil || len(received) != 2_000_003 {
		t.Errorf("%d bytes, %v", len(received), err)
	}
}

func TestStoppedProgramRefusesAndFinishesWhatIsOpen(t *testing.T) {
	for _, name := range []string{"echo", "http", "greets-first"} {
		port := listen(t, name, Settings{})
		conn := dial(t, port)
		if name == "http" {
			// The server must have the connection before it is stopped.
			fmt.Fprint(conn, "GET /slow HTTP/1.1\r\nHost: pod\r\n\r\n")
		} else {
			fmt.Fprint(conn, "ping")
		}
		first := make([]byte, 1)
		if _, err := io.ReadFull(conn, first); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		port.Stop()
		if _, err := port.Dial(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s: a new connection: %v", name, err)
		}
		fmt.Fprint(conn, "more")
		if _, err := io.ReadFull(conn, first); err != nil {
			t.Errorf("%s: the open connection: %v", name, err)
		}
	}
}

func TestCloseEndsEveryConnection(t *testing.T) {
	for _, name := range []string{"echo", "never-reads", "sink", "http", "five-lines", "greets-first"} {
		port := listen(t, name, Settings{})
		conn := dial(t, port)
		port.Close()
		if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestListenRefusesWhatIsNoProgram(t *testing.T) {
	for name, settings := range map[string]Settings{
		"nothing": {},
		"door":    {Door: "192.0.2.1:80"},
	} {
		if _, err := Listen(name, self, settings); err == nil || !strings.Contains(err.Error(), "ns/pod") {
			t.Errorf("%s %+v: %v", name, settings, err)
		}
	}
}

func BenchmarkSource(b *testing.B) {
	const count = 64 << 20
	port, err := Listen("source", self, Settings{Bytes: count})
	if err != nil {
		b.Fatal(err)
	}
	defer port.Close()
	b.SetBytes(count)
	for b.Loop() {
		conn, err := port.Dial(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		buffer := make([]byte, 32<<10)
		for {
			if _, err := conn.Read(buffer); err != nil {
				break
			}
		}
		conn.Close()
	}
}
