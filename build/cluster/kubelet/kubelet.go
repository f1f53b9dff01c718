// Package kubelet implements a node of a Kubernetes cluster whose pods are programs in this process (package program).
// It serves what the API server requests from a kubelet: port-forward, exec and logs, with the real CRI streaming
// library, and ends each stream as containerd does. It pulls no images, runs no containers and no probes, and has no
// network: a pod's address is not reachable from anywhere.
package kubelet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/cri-streaming/pkg/streaming"
)

// Config configures a node. All fields except Log and WebSockets are required.
type Config struct {
	// Name is the node's name; Client acts as that node (Kubernetes documentation, "Using Node Authorization").
	Name   string
	Client kubernetes.Interface
	// Certificate is the server certificate of the node's port. Clients need a certificate from Callers with the common
	// name CallerName.
	Certificate tls.Certificate
	Callers     *x509.CertPool
	CallerName  string
	// WebSockets says that the node handles WebSocket upgrades itself, as kubelets do since 1.36; otherwise the API
	// server translates them (KEP-4006).
	WebSockets bool
	// Log is the logger; nil means slog.Default().
	Log *slog.Logger
}

// Kubelet is one node.
type Kubelet struct {
	config Config
	log    *slog.Logger

	streaming streaming.Server
	counts    counts
	faults    faults

	mu         sync.Mutex
	websockets bool
	port       int32
	pods       map[podName]*pod
	sandboxes  map[string]*pod
	sessions   map[*session]struct{}
	addresses  uint16

	// work counts the goroutines that Run waits for. stopping is cancelled when Run is about to return.
	work     sync.WaitGroup
	stopping context.Context
	stop     context.CancelFunc
}

// New returns a node that does nothing until Run is called.
func New(config Config) *Kubelet {
	log := config.Log
	if log == nil {
		log = slog.Default()
	}
	stopping, stop := context.WithCancel(context.Background())
	return &Kubelet{
		stopping:   stopping,
		stop:       stop,
		config:     config,
		log:        log,
		websockets: config.WebSockets,
		pods:       map[podName]*pod{},
		sandboxes:  map[string]*pod{},
		sessions:   map[*session]struct{}{},
	}
}

// Run listens on a free loopback port, registers the node and runs the pods bound to it, until ctx ends. Everything it
// started has ended when it returns. ready is called once, when the node has been registered.
func (k *Kubelet) Run(ctx context.Context, ready func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer k.stop()
	runtimeServer, err := k.serveRuntime()
	if err != nil {
		return fmt.Errorf("runtime's streaming server: %w", err)
	}
	nodeServer, err := k.serveNode()
	if err != nil {
		return errors.Join(fmt.Errorf("node's port: %w", err), runtimeServer.Close())
	}
	err = k.register(ctx)
	if err == nil {
		k.work.Go(func() { k.renewLease(ctx) })
		ready()
		k.watchPods(ctx)
	}
	cancel()
	k.refuseWork()
	err = errors.Join(err, nodeServer.Close())
	k.dropSessions(func(*session) bool { return true })
	err = errors.Join(err, runtimeServer.Close())
	k.work.Wait()
	if ctxErr := context.Cause(ctx); errors.Is(err, ctxErr) {
		return nil
	}
	return err
}

// beginWork adds a session or a stream to what Run waits for; the caller must call work.Done when it has ended. It
// returns false if Run is about to return and the session or stream must not begin. An http.Server does not wait for
// sessions and streams, because their connections are hijacked.
func (k *Kubelet) beginWork() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopping.Err() != nil {
		return false
	}
	k.work.Add(1)
	return true
}

// refuseWork makes beginWork return false from now on, so that work can be waited for.
func (k *Kubelet) refuseWork() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stop()
}

// serveRuntime serves the CRI streaming library on its own loopback port, as a container runtime does: the node proxies
// to the one-time URLs that the library returns.
func (k *Kubelet) serveRuntime() (*http.Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	config := streaming.DefaultConfig
	config.BaseURL = &url.URL{Scheme: "http", Host: listener.Addr().String()}
	if k.streaming, err = streaming.NewServer(config, k); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return k.serve(&http.Server{Handler: k.streaming}, listener), nil
}

// serveNode serves the port to which the API server connects.
func (k *Kubelet) serveNode() (*http.Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return nil, errors.Join(fmt.Errorf("address %v", listener.Addr()), listener.Close())
	}
	k.port = int32(address.Port)
	config := &tls.Config{
		Certificates: []tls.Certificate{k.config.Certificate},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    k.config.Callers,
		MinVersion:   tls.VersionTLS12,
		// SPDY upgrades need HTTP/1.1.
		NextProtos: []string{"http/1.1"},
		VerifyConnection: func(state tls.ConnectionState) error {
			if name := state.PeerCertificates[0].Subject.CommonName; name != k.config.CallerName {
				return fmt.Errorf("client %q is not %s", name, k.config.CallerName)
			}
			return nil
		},
	}
	server := &http.Server{
		Handler:      k.routes(),
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
		ConnContext:  withConnection,
	}
	return k.serve(server, tls.NewListener(&freezableListener{listener}, config)), nil
}

func (k *Kubelet) serve(server *http.Server, listener net.Listener) *http.Server {
	server.ReadHeaderTimeout = 30 * time.Second
	server.ErrorLog = slog.NewLogLogger(k.log.Handler(), slog.LevelDebug)
	k.work.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			k.log.Error("serve", "address", listener.Addr(), "error", err)
		}
	})
	return server
}
