package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"fairlead/app/command"
	"fairlead/app/gateway"
	"fairlead/app/instance"
	"fairlead/app/session"
)

// probes answers the probes of a kubelet: /healthz while the program runs, and /readyz while connections can be made.
type probes struct {
	log      zerolog.Logger
	stopping <-chan struct{}             // closed when the program ends
	ready    func(context.Context) error // returns why connections cannot be made; nil if they always can
}

// serveProbes answers probes at an address until the returned function is called. Empty means no probes.
func serveProbes(address string, p probes) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	at, err := parseAddress(address)
	if err != nil {
		return nil, &command.UsageError{Err: fmt.Errorf("--health %s is not an IP address and a port, such as 127.0.0.1:8092", address)}
	}
	ln, err := net.Listen("tcp", gateway.ListenAddress(at))
	if err != nil {
		return nil, fmt.Errorf("--health: %w", err)
	}
	server := &http.Server{Handler: p.handler(), ReadTimeout: probeTimeout, WriteTimeout: probeTimeout + time.Second, MaxHeaderBytes: 8 << 10}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			p.log.Error().Err(err).Msg("probes are not answered any more")
		}
	}()
	return func() { _ = server.Close(); <-ended }, nil
}

// probeTimeout bounds a probe.
const probeTimeout = 5 * time.Second

func (p probes) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), probeTimeout)
		defer cancel()
		if err := p.check(ctx); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	return mux
}

// check returns why connections cannot be made.
func (p probes) check(ctx context.Context) error {
	select {
	case <-p.stopping:
		return errors.New("ending")
	default:
	}
	if p.ready == nil {
		return nil
	}
	return p.ready(ctx)
}

// readiness returns a check whether contexts are on, and their Konnectivity servers can be used.
func readiness(p *instance.Instance, model *session.Manager, names []string) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, name := range names {
			running := p.Gateways.Running(name)
			if state, ok := model.Snapshot().Context(name); !ok || running == nil || !state.Phase.Listening() {
				return fmt.Errorf("context %s is not on", name)
			}
			if err := running.Ready(ctx); err != nil {
				return fmt.Errorf("context %s: its Konnectivity server cannot be used", name)
			}
		}
		return nil
	}
}
