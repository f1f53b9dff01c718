package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"fairlead/app/session"
)

// maxBody bounds the size of a request body, in bytes. Thousands of names fit.
const maxBody = 1 << 20

// Server serves the socket. Only Model is required.
type Server struct {
	Model   Model
	Program Program // Serve sets PID
	// Traffic returns what the running proxies have carried, by context name.
	Traffic func() map[string]Traffic
	// Env returns the text that makes a program (a shell, a language, a command) use a context's proxy.
	Env func(ctx context.Context, name, program string) (Snippet, error)
	// Open opens a browser in a context's cluster, at a URL or at the proxy's own page. browser may be empty.
	Open func(ctx context.Context, name, url, browser string) error
	// SetNamespace sets the namespace of names without one.
	SetNamespace func(ctx context.Context, name, namespace string) error
	// Connections returns the open connections of a context that is on.
	Connections func(name string) ([]Connection, error)
	// Close closes the open connections of a context that is on, and returns how many there were.
	Close func(name string) (int, error)
	// Services lists the Services in a context's cluster; an empty namespace stands for all.
	Services func(ctx context.Context, name, namespace string) ([]Service, error)
	// LogIn logs in to a context's cluster again.
	LogIn func(ctx context.Context, name string) error
	// Forward adds a fixed local port to a context that is on, and returns when the port listens. The note is empty, or says
	// that the target does not exist now.
	Forward func(ctx context.Context, name string, f Forward) (note string, err error)
	// Unforward removes a fixed local port that Forward has made.
	Unforward func(ctx context.Context, name, listen string) error
	// ReadState makes the program read its state again after another process has changed it.
	ReadState func(ctx context.Context) error
	// Quit makes the program end. It does not wait for that.
	Quit func()
	Log  zerolog.Logger
}

// Serve serves the requests at ln until ctx ends, and returns when every response is complete. It closes ln. It uses a
// copy of s, so later changes of s have no effect.
func (s Server) Serve(ctx context.Context, ln net.Listener) error {
	s.Program.PID = os.Getpid()
	server := &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    16 << 10,
		// Streams end with the program.
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		within, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		stopped <- errors.Join(server.Shutdown(within), server.Close())
	})
	err := server.Serve(ln)
	if !stop() {
		return <-stopped
	}
	return fmt.Errorf("control socket: %w", err)
}

func (s Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, s.status(s.Model.Snapshot())) })
	mux.HandleFunc("GET /v1/watch", s.watch)
	mux.HandleFunc("POST /v1/on", answer(s, s.on))
	mux.HandleFunc("POST /v1/off", answer(s, s.off))
	mux.HandleFunc("POST /v1/env", answer(s, s.env))
	mux.HandleFunc("POST /v1/open", answer(s, s.open))
	mux.HandleFunc("POST /v1/restart", answer(s, s.restart))
	mux.HandleFunc("POST /v1/connections", answer(s, s.connections))
	mux.HandleFunc("POST /v1/close", answer(s, s.closeConnections))
	mux.HandleFunc("POST /v1/services", answer(s, s.services))
	mux.HandleFunc("POST /v1/login", answer(s, s.login))
	mux.HandleFunc("POST /v1/forward", answer(s, s.forward))
	mux.HandleFunc("POST /v1/unforward", answer(s, s.unforward))
	mux.HandleFunc("POST /v1/state", answer(s, s.readState))
	mux.HandleFunc("POST /v1/quit", answer(s, s.quit))
	return mux
}

func (s Server) status(snapshot session.Snapshot) Status {
	traffic := map[string]Traffic{}
	if s.Traffic != nil {
		traffic = s.Traffic()
	}
	status := Status{
		Program: s.Program, Version: snapshot.Version, Contexts: []Context{},
		Problems: slices.Concat(snapshot.SettingsProblems, snapshot.Problems), Sources: snapshot.Sources,
	}
	for _, state := range snapshot.Contexts {
		c := newContext(state)
		if carried, ok := traffic[state.Name]; ok && state.Phase.Listening() {
			c.Traffic = &carried
		}
		status.Contexts = append(status.Contexts, c)
	}
	return status
}

// watch sends the status now and after each change, as Server-Sent Events (WHATWG HTML, section 9.2) named status.
func (s Server) watch(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	flusher := http.NewResponseController(w)
	for snapshot := range s.Model.Watch(r.Context()) {
		data, err := json.Marshal(s.status(snapshot))
		if err != nil {
			s.Log.Error().Err(err).Msg("status not encoded")
			return
		}
		if _, err := fmt.Fprintf(w, "event: status\nid: %d\ndata: %s\n\n", snapshot.Version, data); err != nil {
			return // the client has left
		}
		if err := flusher.Flush(); err != nil {
			return
		}
	}
}

func (s Server) on(ctx context.Context, r contextsRequest) (any, error) {
	var errs []error
	for _, name := range r.Contexts {
		errs = append(errs, s.turnOn(ctx, name, r))
	}
	return nil, errors.Join(errs...)
}

func (s Server) turnOn(ctx context.Context, name string, r contextsRequest) error {
	if r.Namespace != "" {
		if s.SetNamespace == nil {
			return ErrNotOffered
		}
		if err := s.SetNamespace(ctx, name, r.Namespace); err != nil {
			return err
		}
	}
	return s.Model.Do(ctx, session.Set{Name: name, On: true, Confirmed: r.Confirmed})
}

func (s Server) off(ctx context.Context, r contextsRequest) (any, error) {
	if r.All {
		return nil, s.Model.Do(ctx, session.StopAll{})
	}
	var errs []error
	for _, name := range r.Contexts {
		errs = append(errs, s.Model.Do(ctx, session.Set{Name: name}))
	}
	return nil, errors.Join(errs...)
}

func (s Server) env(ctx context.Context, r contextRequest) (any, error) {
	if s.Env == nil {
		return nil, ErrNotOffered
	}
	return s.Env(ctx, r.Context, r.For)
}

func (s Server) open(ctx context.Context, r contextRequest) (any, error) {
	if s.Open == nil {
		return nil, ErrNotOffered
	}
	return nil, s.Open(ctx, r.Context, r.URL, r.Browser)
}

// answer returns a handler that decodes the request body, calls do, and encodes its result.
func answer[R any](s Server, do func(context.Context, R) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var request R
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&request); err != nil && !errors.Is(err, io.EOF) {
			write(w, http.StatusBadRequest, failure{Error: "invalid request: " + err.Error()})
			return
		}
		s.Log.Info().Str("path", r.URL.Path).Interface("request", forLog(request)).Msg("control request")
		result, err := do(r.Context(), request)
		if err != nil {
			writeError(w, err)
			return
		}
		if result == nil {
			result = struct{}{}
		}
		write(w, http.StatusOK, result)
	}
}

// forLog returns a request without what must not be in a log: the path and the query of a URL may be secret.
func forLog(request any) any {
	r, ok := request.(contextRequest)
	if !ok || r.URL == "" {
		return request
	}
	if u, err := url.Parse(r.URL); err == nil {
		r.URL = u.Scheme + "://" + u.Host
	} else {
		r.URL = "invalid"
	}
	return r
}

func writeError(w http.ResponseWriter, err error) {
	for _, kind := range kinds {
		if errors.Is(err, kind.err) {
			write(w, kind.status, failure{err.Error(), kind.name})
			return
		}
	}
	write(w, http.StatusInternalServerError, failure{Error: err.Error()})
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
