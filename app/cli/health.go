package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"fairlead/app/command"
	"fairlead/app/instance"
	"fairlead/app/session"
)

// A health answers the probes of a kubelet: /healthz while the program runs, and /readyz while connections can be made.
type health struct {
	instance *instance.Instance
	model    *session.Manager
	names    []string
	stopping <-chan struct{} // closed when the program ends
}

// serveHealth serves the probes at an address until the returned function is called. Empty means no probes.
func serveHealth(address string, h health) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	at, err := parseAddress(address)
	if err != nil {
		return nil, &command.UsageError{Err: fmt.Errorf("--health %s is not an IP address and a port, such as 127.0.0.1:8092", address)}
	}
	ln, err := net.Listen("tcp", at.String())
	if err != nil {
		return nil, fmt.Errorf("--health: %w", err)
	}
	server := &http.Server{Handler: h.handler(), ReadTimeout: healthTimeout, WriteTimeout: healthTimeout + time.Second, MaxHeaderBytes: 8 << 10}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			h.instance.Log.Error().Err(err).Msg("probes are not answered any more")
		}
	}()
	return func() { _ = server.Close(); <-ended }, nil
}

// healthTimeout bounds a probe.
const healthTimeout = 5 * time.Second

func (h health) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
		defer cancel()
		if err := h.ready(ctx); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	return mux
}

// ready returns why connections cannot be made.
func (h health) ready(ctx context.Context) error {
	select {
	case <-h.stopping:
		return errors.New("ending")
	default:
	}
	for _, name := range h.names {
		running := h.instance.Gateways.Running(name)
		if state, ok := h.model.Snapshot().Context(name); !ok || running == nil || !state.Phase.Listening() {
			return fmt.Errorf("context %s is not on", name)
		}
		if err := running.Ready(ctx); err != nil {
			return fmt.Errorf("context %s: its Konnectivity server cannot be used", name)
		}
	}
	return nil
}
