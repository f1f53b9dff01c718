package far

import (
	"context"
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ways returns the addresses of the far side's programs, plain and through both ends of the TLS relay.
func ways(t *testing.T) map[string]string {
	certificate, err := NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	side, err := Listen("127.0.0.1:1", certificate)
	if err != nil {
		t.Fatal(err)
	}
	near, err := ListenNear(local(side.Ports.TLS), certificate.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- side.Run(ctx) }()
	go func() { done <- near.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
	return map[string]string{"plain": local(side.Ports.Plain), "TLS": local(near.Port)}
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func dial(t *testing.T, address string) *net.TCPConn {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// say sends text, half-closes, and returns everything that it receives.
func say(t *testing.T, address, text string) string {
	conn := dial(t, address)
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	back, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(back)
}

func TestProgramsAreChosenByTheFirstByte(t *testing.T) {
	for name, address := range ways(t) {
		for text, want := range map[string]string{
			"Eecho of this":                     "echo of this",
			"GET / HTTP/1.1\r\nHost: x\r\n\r\n": response,
			"A12345":                            "5 bytes came\n",
			"Uswallow":                          "",
			"?":                                 "",
			"":                                  "",
			"L":                                 "line 1\nline 2\nline 3\nline 4\nline 5\n",
		} {
			if got := say(t, address, text); got != want {
				t.Errorf("%s: %q is answered with %q, want %q", name, text, got, want)
			}
		}
	}
}

func TestOneConnectionTakesSeveralRequests(t *testing.T) {
	const two = "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n"
	if got := say(t, ways(t)["plain"], two); got != response+response {
		t.Errorf("%q", got)
	}
}

func TestTheSourceSendsUntilTheClientLeaves(t *testing.T) {
	for name, address := range ways(t) {
		conn := dial(t, address)
		if _, err := conn.Write([]byte{byte(Source)}); err != nil {
			t.Fatal(err)
		}
		if n, err := io.CopyN(io.Discard, conn, 20<<20); err != nil {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
		conn.Close()
	}
}

func TestARelayToNowhereClosesTheConnection(t *testing.T) {
	a, b := net.Pipe()
	relayTo("127.0.0.1:1")(a)
	if n, err := b.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestServeHasTheProgramsAloneAndEnds(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := Serve(t.Context(), address); err == nil {
		t.Error("a port in use is taken")
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, address) }()
	deadline := time.Now().Add(10 * time.Second)
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	if got := say(t, address, "Eecho"); got != "echo" {
		t.Errorf("answered with %q", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
