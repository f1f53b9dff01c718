package program

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// listenHTTP starts the web server of a pod: HTTP/1.1 of net/http, with the pod's name in the X-Pod header of every
// response.
func listenHTTP(self Self, settings Settings) *Port {
	queue := &listener{accepted: make(chan net.Conn), closed: make(chan struct{}), self: self}
	port := newPort(queue.serve)
	server := &http.Server{
		Handler:           site(self, settings),
		BaseContext:       func(net.Listener) context.Context { return port.ctx },
		ConnState:         trackEnd,
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0), // errors of clients are for the clients to report
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(queue) })
	port.stopping = func() { server.SetKeepAlivesEnabled(false) }
	port.closing = func() {
		_ = server.Close()
		serving.Wait()
	}
	return port
}

func site(self Self, settings Settings) http.Handler {
	began := time.Now()
	mux := http.NewServeMux()
	mux.HandleFunc("/", withWork(settings.Work, describe(self)))
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if settings.ReadyAfter < 0 || time.Since(began) < settings.ReadyAfter {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("/big", func(w http.ResponseWriter, r *http.Request) {
		count := settings.Bytes
		if text := r.FormValue("bytes"); text != "" {
			var err error
			if count, err = strconv.ParseInt(text, 10, 64); err != nil || count < 0 {
				http.Error(w, "bytes: not a number of bytes", http.StatusBadRequest)
				return
			}
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.FormatInt(count, 10))
		_, _ = writePattern(w, count)
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		writeLines(r.Context(), flusher{w}, self, 500*time.Millisecond)
	})
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, err := strconv.Atoi(r.PathValue("code"))
		if err != nil || code < 200 || code > 599 {
			http.Error(w, "status: not between 200 and 599", http.StatusBadRequest)
			return
		}
		w.WriteHeader(code)
	})
	mux.HandleFunc("/ws", echoMessages)
	mux.HandleFunc("/note/{text}", func(w http.ResponseWriter, r *http.Request) {
		if err := note(settings.Notes, self, r.PathValue("text")); err != nil {
			http.Error(w, "note: "+err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "noted by %s\n", self)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Pod", self.String())
		mux.ServeHTTP(w, r)
	})
}

// note appends a line to the pod's file.
func note(directory string, self Self, text string) error {
	if directory == "" {
		return errors.New("there is no place for notes")
	}
	file, err := os.OpenFile(filepath.Join(directory, self.Name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text + "\n") // in one write, so that lines are not torn
	return errors.Join(err, file.Close())
}

// withWork returns a handler that works on each request for a while before next answers it.
func withWork(work time.Duration, next http.HandlerFunc) http.HandlerFunc {
	if work <= 0 {
		return next
	}
	return func(w http.ResponseWriter, r *http.Request) {
		timer := time.NewTimer(work)
		defer timer.Stop()
		select {
		case <-timer.C:
			next(w, r)
		case <-r.Context().Done():
		}
	}
}

// describe returns a handler that answers with the pod's name and the request, as lines of "key: value".
func describe(self Self) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		count, err := io.Copy(sum, r.Body)
		if err != nil {
			http.Error(w, "body: "+err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "Hello from pod %s\npod: %s\naddress: %s:%d\n", self, self, self.Address, self.Port)
		fmt.Fprintf(w, "method: %s\npath: %s\nprotocol: %s\nhost: %s\n", r.Method, r.URL.RequestURI(), r.Proto, r.Host)
		fmt.Fprintf(w, "body-bytes: %d\nbody-sha256: %x\n", count, sum.Sum(nil))
		keys := make([]string, 0, len(r.Header))
		for key := range r.Header {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		for _, key := range keys {
			for _, value := range r.Header[key] {
				fmt.Fprintf(w, "header %s: %s\n", key, value)
			}
		}
	}
}

// echoMessages echoes each WebSocket message. Any origin is allowed: there is nothing to protect in a pod.
func echoMessages(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := upgrader.Upgrade(w, r, w.Header())
	if err != nil {
		return // the upgrader has answered
	}
	defer conn.Close()
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil || conn.WriteMessage(kind, message) != nil {
			return
		}
	}
}

// flusher flushes after each write.
type flusher struct{ w http.ResponseWriter }

func (f flusher) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err != nil {
		return n, err
	}
	return n, http.NewResponseController(f.w).Flush()
}

// listener is a net.Listener of the connections of a port.
type listener struct {
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once
	self     Self
}

// serve is the behaviour of the port: it returns when the server has finished with the connection.
func (l *listener) serve(_ context.Context, conn net.Conn) {
	kept := &keptConn{Conn: conn, ended: make(chan struct{})}
	select {
	case l.accepted <- kept:
		<-kept.ended
	case <-l.closed:
	}
}

// Accept returns the next connection.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.accepted:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns the pod's address.
func (l *listener) Addr() net.Addr {
	return &net.TCPAddr{IP: net.ParseIP(l.self.Address), Port: int(l.self.Port)}
}

// keptConn is a connection that reports when the server has finished with it: net/http calls trackEnd for that, except
// for a hijacked connection, which its handler closes.
type keptConn struct {
	net.Conn
	ended chan struct{}
	once  sync.Once
	taken atomic.Bool
}

// trackEnd is the ConnState hook of the server.
func trackEnd(conn net.Conn, state http.ConnState) {
	kept, ok := conn.(*keptConn)
	switch {
	case ok && state == http.StateHijacked:
		kept.taken.Store(true)
	case ok && state == http.StateClosed:
		kept.end()
	}
}

func (c *keptConn) end() { c.once.Do(func() { close(c.ended) }) }

// Close closes the connection.
func (c *keptConn) Close() error {
	err := c.Conn.Close()
	if c.taken.Load() {
		c.end()
	}
	return err
}
