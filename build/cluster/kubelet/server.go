package kubelet

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"k8s.io/apimachinery/pkg/util/proxy"
	translator "k8s.io/apiserver/pkg/util/proxy"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	"k8s.io/streaming/pkg/httpstream/wsstream"
)

// routes returns the handler of the paths that the API server requests from a kubelet.
func (k *Kubelet) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/portForward/{namespace}/{pod}", k.servePortForward)
	mux.HandleFunc("/portForward/{namespace}/{pod}/{uid}", k.servePortForward)
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", k.serveExec)
	mux.HandleFunc("/containerLogs/{namespace}/{pod}/{container}", k.serveLogs)
	mux.HandleFunc("/attach/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "attach is not served here", http.StatusNotImplemented)
	})
	return mux
}

func (k *Kubelet) podOf(w http.ResponseWriter, r *http.Request) *pod {
	k.mu.Lock()
	p := k.pods[podName{r.PathValue("namespace"), r.PathValue("pod")}]
	k.mu.Unlock()
	if p == nil {
		http.Error(w, "pod does not exist", http.StatusNotFound)
		return nil
	}
	if uid := r.PathValue("uid"); uid != "" && uid != string(p.uid) {
		http.Error(w, "pod not found", http.StatusNotFound)
		return nil
	}
	return p
}

func protocolOf(r *http.Request) int {
	switch {
	case wsstream.IsWebSocketRequestWithTunnelingProtocol(r):
		return protocolWebSocket
	case wsstream.IsWebSocketRequest(r):
		return protocolWebSocketV4
	}
	return protocolSPDY
}

// servePortForward proxies a session to the runtime's streaming server, as the kubelet does.
func (k *Kubelet) servePortForward(w http.ResponseWriter, r *http.Request) {
	protocol := protocolOf(r)
	options := &portforward.V4Options{}
	if protocol == protocolWebSocketV4 {
		var err error
		if options, err = portforward.NewV4Options(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	p := k.podOf(w, r)
	if p == nil {
		return
	}
	conn, ok := connectionOf(r)
	if !ok {
		http.Error(w, "connection is not the node's", http.StatusInternalServerError)
		return
	}
	if !k.beginWork() {
		http.Error(w, errStopping.Error(), http.StatusServiceUnavailable)
		return
	}
	defer k.work.Done()
	k.log.Info("port-forward", "pod", p.name, "method", r.Method, "protocol", protocolNames[protocol])
	defer k.open(&session{pod: p.name, conn: conn}, p, protocol)()
	if !sleepUntil(r.Context().Done(), k.faults.delayOf(p.name).Upgrade) {
		return
	}
	if status := k.faults.refusalOf(protocol); status != 0 {
		http.Error(w, "the node refuses this protocol", status)
		return
	}
	response, err := k.streaming.GetPortForward(&runtimeapi.PortForwardRequest{PodSandboxId: p.sandbox, Port: options.Ports})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	handler, err := k.proxyTo(response.Url)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if protocol == protocolWebSocket {
		handler = translator.NewTunnelingHandler(handler)
	}
	handler.ServeHTTP(w, r)
}

func (k *Kubelet) proxyTo(location string) (http.Handler, error) {
	parsed, err := url.Parse(location)
	if err != nil {
		return nil, fmt.Errorf("streaming URL: %w", err)
	}
	return proxy.NewUpgradeAwareHandler(parsed, nil, false, true, responder{k}), nil
}

// responder answers when the runtime's streaming server is unreachable.
type responder struct{ k *Kubelet }

// Error answers with status 502.
func (r responder) Error(w http.ResponseWriter, _ *http.Request, err error) {
	r.k.log.Warn("streaming server", "error", err)
	http.Error(w, err.Error(), http.StatusBadGateway)
}

func (k *Kubelet) serveExec(w http.ResponseWriter, r *http.Request) {
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p := k.podOf(w, r)
	if p == nil {
		return
	}
	response, err := k.streaming.GetExec(&runtimeapi.ExecRequest{
		ContainerId: p.name.String(), Cmd: r.URL.Query()["command"],
		Stdin: options.Stdin, Stdout: options.Stdout, Stderr: options.Stderr, Tty: options.TTY,
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	location, err := url.Parse(response.Url)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	var handler http.Handler = proxy.NewUpgradeAwareHandler(location, nil, false, true, responder{k})
	if wsstream.IsWebSocketRequestWithStreamCloseProtocol(r) {
		handler = translator.NewStreamTranslatorHandler(location, nil, 0, translator.Options{
			Stdin: options.Stdin, Stdout: options.Stdout, Stderr: options.Stderr, Tty: options.TTY,
		})
	}
	handler.ServeHTTP(w, r)
}

// Exec imitates every command: it prints where it ran and its arguments, and echoes its input.
func (k *Kubelet) Exec(_ context.Context, container string, command []string, in io.Reader, out, _ io.WriteCloser, _ bool, _ <-chan remotecommand.TerminalSize) error {
	if out == nil {
		return nil
	}
	if _, err := fmt.Fprintf(out, "%s: %q\n", container, command); err != nil || in == nil {
		return err
	}
	_, err := io.Copy(out, in)
	return err
}

// Attach returns an error: attach is not served.
func (k *Kubelet) Attach(context.Context, string, io.Reader, io.WriteCloser, io.WriteCloser, bool, <-chan remotecommand.TerminalSize) error {
	return fmt.Errorf("attach is not served here")
}

// serveLogs answers with one line.
func (k *Kubelet) serveLogs(w http.ResponseWriter, r *http.Request) {
	if p := k.podOf(w, r); p != nil {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintf(w, "%s runs at %s\n", p.name, p.address)
	}
}
