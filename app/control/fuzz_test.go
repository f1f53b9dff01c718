package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fairlead/app/session"
)

// recorder is a Model with one context. It only records intents.
type recorder struct {
	mutex   sync.Mutex
	intents []session.Intent
}

func (*recorder) Snapshot() session.Snapshot {
	return session.Snapshot{Version: 1, Contexts: []session.State{{Name: "a", Phase: session.On}}}
}

func (r *recorder) Watch(ctx context.Context) iter.Seq[session.Snapshot] {
	return func(yield func(session.Snapshot) bool) {
		if yield(r.Snapshot()) {
			<-ctx.Done()
		}
	}
}

func (r *recorder) Do(_ context.Context, intent session.Intent) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.intents = append(r.intents, intent)
	if set, ok := intent.(session.Set); ok && set.Name != "a" {
		return session.ErrUnknownContext
	}
	return nil
}

// take returns the intents recorded since the last call.
func (r *recorder) take() []session.Intent {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	intents := r.intents
	r.intents = nil
	return intents
}

// panics keeps what net/http logs when a handler panics, because net/http recovers the panic.
type panics struct {
	mutex sync.Mutex
	text  string
}

func (p *panics) Write(line []byte) (int, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if bytes.Contains(line, []byte("panic")) {
		p.text += string(line)
	}
	return len(line), nil
}

func (p *panics) check(t *testing.T) {
	t.Helper()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.text != "" {
		t.Fatal(p.text)
	}
}

const fuzzTimeout = 20 * time.Second

// FuzzRequests sends arbitrary bytes to the control socket and then half-closes the connection. The server must answer
// or close in time, its answers must be HTTP and in proportion to the input, it must not panic, and it must do nothing
// that was not requested.
func FuzzRequests(f *testing.F) {
	for _, seed := range []string{
		"", "GET /v1/status HTTP/1.1\r\nHost: fairlead\r\n\r\n", "GET /v1/watch HTTP/1.1\r\nHost: fairlead\r\n\r\n",
		"POST /v1/on HTTP/1.1\r\nHost: x\r\nContent-Length: 35\r\n\r\n{\"contexts\":[\"a\"],\"confirmed\":true}",
		"POST /v1/off HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n{\"all\":true}\r\n0\r\n\r\nGET /v1/status HTTP/1.0\r\n\r\n",
		"POST /v1/env HTTP/1.1\r\nHost: x\r\nContent-Length: 27\r\n\r\n{\"context\":\"a\",\"for\":\"zsh\"}", "POST /v1/open HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n{\"context\":\"a\"}",
		"GET /v1/on HTTP/1.1\r\nHost: x\r\n\r\n", "POST /v1/on HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n[[[[[[[[[", "POST /v1/on HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n{",
		"POST /v1/on HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x05\x01\x00",
		"POST /v1/%6fn HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n{\"contexts\":[1]}", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "POST //v1//on HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	model, logged := &recorder{}, &panics{}
	log.SetOutput(logged)
	f.Cleanup(func() { log.SetOutput(os.Stderr) })
	path := filepath.Join(f.TempDir(), "control.sock")
	ln, err := Listen(path, false, zerolog.Nop())
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	server := Server{
		Model: model,
		Env: func(_ context.Context, name, program string) (Snippet, error) {
			return Snippet{Text: name + program}, nil
		},
	}
	go func() { ended <- server.Serve(ctx, ln) }()
	f.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			f.Error(err)
		}
	})
	f.Fuzz(func(t *testing.T, request []byte) {
		answer := exchange(t, path, request)
		logged.check(t)
		if most := 4096 + 100*len(request); len(answer) > most {
			t.Errorf("%d bytes are answered with %d", len(request), len(answer))
		}
		checkAnswers(t, answer)
		for _, intent := range model.take() {
			checkIntent(t, request, intent)
		}
	})
}

// exchange sends a request to the socket, and returns all that comes back.
func exchange(t *testing.T, path string, request []byte) []byte {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(fuzzTimeout))
	_, _ = conn.Write(request)
	_ = conn.(*net.UnixConn).CloseWrite()
	answer, err := io.ReadAll(conn)
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		t.Fatalf("%q is neither answered nor closed", request)
	}
	return answer
}

// checkAnswers fails the test if the answers are not HTTP, or if one that refuses a request gives no reason. The last
// answer may be cut off.
func checkAnswers(t *testing.T, answers []byte) {
	t.Helper()
	for reader := bufio.NewReader(bytes.NewReader(answers)); ; {
		if _, err := reader.Peek(1); err != nil {
			return
		}
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatalf("answered with %q: %v", answers, err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return
		}
		if response.Header.Get("Content-Type") != "application/json" || response.StatusCode == http.StatusOK {
			continue
		}
		var refused failure
		if err := json.Unmarshal(body, &refused); err != nil || refused.Error == "" {
			t.Fatalf("refused with %q: %v", body, err)
		}
	}
}

// checkIntent fails the test if the request did not ask for the intent that the model got.
func checkIntent(t *testing.T, request []byte, intent session.Intent) {
	t.Helper()
	if !bytes.Contains(request, []byte("POST")) {
		t.Fatalf("%+v without a POST in %q", intent, request)
	}
	if bytes.ContainsRune(request, '\\') || bytes.Contains(bytes.ToLower(request), []byte("chunked")) {
		return // the names in it may be escaped or split, so they cannot be searched for
	}
	words := strings.ToLower(string(request))
	switch intent := intent.(type) {
	case session.StopAll:
		if !strings.Contains(words, "all") {
			t.Fatalf("all are switched off by %q", request)
		}
	case session.Set:
		valid := strings.ToValidUTF8(string(request), "\ufffd")
		if intent.Restored || intent.WhenUsable || intent.Confirmed && !strings.Contains(words, "confirmed") ||
			!strings.Contains(intent.Name, "\ufffd") && !strings.Contains(valid, intent.Name) {
			t.Fatalf("%+v is asked for by %q", intent, request)
		}
	case session.Restart:
		if valid := strings.ToValidUTF8(string(request), "\ufffd"); !strings.Contains(intent.Name, "\ufffd") && !strings.Contains(valid, intent.Name) {
			t.Fatalf("%+v is asked for by %q", intent, request)
		}
	default:
		t.Fatalf("%T is asked for by %q", intent, request)
	}
}

// FuzzAnswers makes the server of a Client answer with arbitrary bytes. Every call must return, with an error unless
// the answer was HTTP, and a stream must end when the connection does.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		"", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 200 OK\r\n\r\nevent: status\ndata: {\"version\":1}\n\ndata: {\n\n", "HTTP/1.1 409 x\r\nContent-Length: 37\r\n\r\n{\"error\":\"no\",\"kind\":\"unconfirmed\"}  ",
		"HTTP/1.1 302 x\r\nLocation: http://other/\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"contexts\":[{\"name\":\"a\",\"traffic\":{}}]}", "\x05\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		for name, call := range map[string]func(context.Context, *Client) error{
			"status":   func(ctx context.Context, c *Client) error { _, err := c.Status(ctx); return err },
			"on":       func(ctx context.Context, c *Client) error { return c.On(ctx, []string{"a"}, false, "") },
			"services": func(ctx context.Context, c *Client) error { _, err := c.Services(ctx, "a", ""); return err },
			"close":    func(ctx context.Context, c *Client) error { _, err := c.CloseConnections(ctx, nil); return err },
			"env":      func(ctx context.Context, c *Client) error { _, err := c.Env(ctx, "a", ""); return err },
			"watch": func(ctx context.Context, c *Client) (last error) {
				for _, err := range c.Watch(ctx) {
					last = err
				}
				return last
			},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), fuzzTimeout)
			client := answering(answer)
			err := call(ctx, client)
			if ctx.Err() != nil || errors.Is(err, ErrSilent) {
				t.Errorf("%s waits for more than %q", name, answer)
			}
			if err == nil && !bytes.Contains(answer, []byte("HTTP/")) {
				t.Errorf("%s takes %q for an answer", name, answer)
			}
			client.Close()
			cancel()
		}
	})
}

// answering returns a Client whose server gives the same answer to every request and then closes the connection.
func answering(answer []byte) *Client {
	client := &http.Client{Transport: &http.Transport{
		ResponseHeaderTimeout: answerTimeout,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				defer theirs.Close()
				if _, err := http.ReadRequest(bufio.NewReader(theirs)); err == nil {
					_, _ = theirs.Write(answer)
				}
			}()
			return ours, nil
		},
	}}
	return &Client{http: client, slow: client}
}
