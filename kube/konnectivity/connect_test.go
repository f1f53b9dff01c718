package konnectivity

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/kube/fault"
)

// TestWhatServersAnswer is about answers that the real server gives at times that a test cannot choose, or that something
// else gives in its place. Package konnecttest has the real ones.
func TestWhatServersAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		answer string // "|" is a moment later; the server closes after it
		want   string // what is read then
		is     error
		as     fault.KonnectivityProblem
	}{
		"tunnel":               {answer: established + "220 ready", want: "220 ready"},
		"target first":         {answer: "220 ready\r\n" + established + "more", want: "220 ready\r\nmore"},
		"target first, slowly": {answer: "220 |ready\r\nHTTP/1.1 2|00 Connection Established\r\n\r|\nmore", want: "220 ready\r\nmore"},
		"another language":     {answer: "SSH-2.0-OpenSSH_9.2\r\n", is: syscall.ENETUNREACH, as: fault.KonnectivityUnusable},
		"a page":               {answer: "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found", is: syscall.ENETUNREACH, as: fault.KonnectivityUnusable},
		"nothing":              {answer: "", is: syscall.ENETUNREACH, as: fault.KonnectivityUnusable},
		"without a text":       {answer: "HTTP/0.1 502 Bad Gateway\r\n\r\n", is: syscall.ENETUNREACH, as: fault.KonnectivityUnusable},
		"refused":              {answer: "HTTP/0.1 502 Bad Gateway\r\n\r\ndial tcp 10.96.0.1:80: connect: connection refused", is: syscall.ECONNREFUSED, as: fault.KonnectivityBeyond},
		"timeout":              {answer: "HTTP/0.1 504 Gateway Timeout\r\n\r\ndial tcp 10.96.0.1:80: i/o timeout", is: os.ErrDeadlineExceeded, as: fault.KonnectivityBeyond},
		"no route":             {answer: "HTTP/0.1 502 Bad Gateway\r\n\r\ndial tcp 10.96.0.1:80: connect: no route to host", is: syscall.EHOSTUNREACH, as: fault.KonnectivityBeyond},
		"no agent":             {answer: "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\n\r\ncurrently no tunnels available: No agent available", is: syscall.ENETUNREACH, as: fault.KonnectivityNoAgent},
		"agent lost":           {answer: "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\n\r\nBackend context error: context canceled\r\n", is: syscall.ENETUNREACH, as: fault.KonnectivityNoAgent},
	} {
		t.Run(name, func(t *testing.T) {
			carrier := running(t, answering(t, test.answer))
			conn, err := carrier.DialAddress(t.Context(), "10.96.0.1:80")
			if test.is != nil {
				failed, ok := errors.AsType[*fault.Konnectivity](err)
				if !ok || failed.Problem != test.as || !errors.Is(err, test.is) {
					t.Fatalf("%#v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if got, err := io.ReadAll(conn); string(got) != test.want || err != nil {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestUnknownNamesOfAgentsAreNotFound(t *testing.T) {
	carrier := running(t, answering(t, "HTTP/0.1 502 Bad Gateway\r\n\r\ndial tcp: lookup nobody.example on 10.96.0.10:53: no such host"))
	_, err := carrier.DialAddress(t.Context(), "nobody.example:80")
	if dns, ok := errors.AsType[*net.DNSError](err); !ok || !dns.IsNotFound || dns.Name != "nobody.example" {
		t.Errorf("%v", err)
	}
}

// running returns a Carrier to a server, which runs until the test ends.
func running(t *testing.T, server string) *Carrier {
	t.Helper()
	carrier, err := New(Config{Server: &url.URL{Scheme: "http", Host: server}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- carrier.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return carrier
}

// answering returns the address of a server that reads CONNECT, answers in parts, and closes.
func answering(t *testing.T, answer string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- func() error {
			conn, err := ln.Accept()
			if err != nil {
				return err
			}
			defer conn.Close()
			request, err := http.ReadRequest(bufio.NewReader(conn))
			if err != nil {
				return err
			}
			if request.Method != http.MethodConnect {
				return fmt.Errorf("method %s", request.Method)
			}
			for i, part := range strings.Split(answer, "|") {
				if i > 0 {
					time.Sleep(20 * time.Millisecond) // the parts are to arrive as several
				}
				if _, err := io.WriteString(conn, part); err != nil {
					return err
				}
			}
			return nil
		}()
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}
