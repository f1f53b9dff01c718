// Package control serves fault injection and counters of a running cluster as JSON over HTTP, for tests. It is meant
// for a Unix socket in a private directory and does no authentication.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"fairlead/build/cluster/kubelet"
	"fairlead/build/cluster/middlebox"
	"fairlead/build/cluster/realnode"
)

// request is the body of a POST; each path reads the fields it needs.
type request struct {
	// Pod is NAMESPACE/NAME; "" means every pod where that makes sense.
	Pod string `json:"pod"`
	// Protocol is "spdy" or "websocket" (at the node also "websocket-v4"), Status the HTTP status of its refusal.
	Protocol string `json:"protocol"`
	Status   int    `json:"status"`
	// On turns a black hole, or WebSockets at the node, on or off.
	On bool `json:"on"`
	// Runtime is the container runtime that the node imitates, see kubelet.SetRuntime.
	Runtime string `json:"runtime"`
	// Upgrade and Connect are delays in milliseconds.
	Upgrade int64 `json:"upgradeMilliseconds"`
	Connect int64 `json:"connectMilliseconds"`
	// Container names a container of a pod with several.
	Container string `json:"container"`
}

// action executes one kind of request.
type action func(context.Context, request) error

// Streaming returns the handler for a cluster whose node is the streaming kubelet:
//
//	GET  /stats                 kubelet.Stats
//	POST /drop-streams          pod
//	POST /drop-sessions         pod
//	POST /refuse-upgrades       protocol, status: at the node
//	POST /delay                 pod, upgradeMilliseconds, connectMilliseconds
//	POST /blackhole             pod, on
//	POST /kill-container        pod: kill -9 of all its programs
//	POST /runtime               runtime
//	POST /heal                  ends all faults of the node and the middlebox
//	POST /websockets            on: passed through to the node; otherwise translated by the API server
//	POST /middlebox             protocol, status: in front of the API server
//
// A POST answers 204, or 400 with a reason.
func Streaming(node *kubelet.Kubelet, box *middlebox.Middlebox) http.Handler {
	mux := actionMux(map[string]action{
		"drop-streams":    func(_ context.Context, req request) error { return node.DropStreams(req.Pod) },
		"drop-sessions":   func(_ context.Context, req request) error { return node.DropSessions(req.Pod) },
		"runtime":         func(_ context.Context, req request) error { return node.SetRuntime(req.Runtime) },
		"refuse-upgrades": func(_ context.Context, req request) error { return node.RefuseUpgrades(req.Protocol, req.Status) },
		"delay": func(_ context.Context, req request) error {
			return node.Delay(req.Pod, kubelet.Delay{
				Upgrade: time.Duration(req.Upgrade) * time.Millisecond,
				Connect: time.Duration(req.Connect) * time.Millisecond,
			})
		},
		"blackhole":      func(_ context.Context, req request) error { return node.Blackhole(req.Pod, req.On) },
		"kill-container": func(_ context.Context, req request) error { return node.KillContainer(req.Pod) },
		"heal": func(context.Context, request) error {
			node.Heal()
			return heal(box)
		},
		"websockets": func(ctx context.Context, req request) error { return node.SetWebSockets(ctx, req.On) },
		"middlebox":  refuse(box),
	})
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(node.Stats())
	})
	return mux
}

// Real returns the handler for a cluster whose node is a real kubelet, which has no counters and no faults of its own:
//
//	POST /restart-containerd    returns when containerd answers again
//	POST /restart-kubelet
//	POST /kill-container        pod, container: kill -9 of its main process
//	POST /heal                  ends all faults of the middlebox
//	POST /middlebox             protocol, status: in front of the API server
func Real(node *realnode.Node, box *middlebox.Middlebox) http.Handler {
	return actionMux(map[string]action{
		"restart-containerd": func(ctx context.Context, _ request) error { return node.RestartContainerd(ctx) },
		"restart-kubelet":    func(ctx context.Context, _ request) error { return node.RestartKubelet(ctx) },
		"kill-container":     func(ctx context.Context, req request) error { return node.KillContainer(ctx, req.Pod, req.Container) },
		"heal":               func(context.Context, request) error { return heal(box) },
		"middlebox":          refuse(box),
	})
}

func heal(box *middlebox.Middlebox) error {
	return errors.Join(box.RefuseUpgrades("spdy", 0), box.RefuseUpgrades("websocket", 0))
}

func refuse(box *middlebox.Middlebox) action {
	return func(_ context.Context, req request) error { return box.RefuseUpgrades(req.Protocol, req.Status) }
}

// actionMux returns a handler that answers a POST to each path by executing the action with the request in its body.
func actionMux(actions map[string]action) *http.ServeMux {
	mux := http.NewServeMux()
	for path, do := range actions {
		mux.HandleFunc("POST /"+path, func(w http.ResponseWriter, r *http.Request) {
			var req request
			if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&req); err != nil {
				http.Error(w, "request: "+err.Error(), http.StatusBadRequest)
				return
			}
			if err := do(r.Context(), req); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		})
	}
	return mux
}

// Listen opens the Unix socket, with access for its owner only.
func Listen(path string) (net.Listener, error) {
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, fmt.Errorf("control socket: %w", errors.Join(err, listener.Close()))
	}
	return listener, nil
}

// Serve serves the handler on the listener until ctx ends.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = server.Close()
		close(closed)
	})
	err := server.Serve(listener)
	if !stop() {
		<-closed
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}
