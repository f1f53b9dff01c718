package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"fairlead/build/cluster/control"
	"fairlead/build/cluster/controlplane"
	"fairlead/build/cluster/fixture"
	"fairlead/build/cluster/isolation"
	"fairlead/build/cluster/kubelet"
	"fairlead/build/cluster/middlebox"
)

// startTimeout bounds the whole start; a loaded machine needs a tenth of it.
const startTimeout = 2 * time.Minute

// launcher starts, runs and stops one cluster.
type launcher struct {
	options options
	state   *state
	log     *slog.Logger
	began   time.Time

	// inside is set if this process runs in its own namespaces, next to a real node; otherwise the node is the
	// streaming one, in this process.
	inside *inside

	plane  *controlplane.ControlPlane
	node   *kubelet.Kubelet
	box    *middlebox.Middlebox
	client kubernetes.Interface

	// inner counts the parts that run in this process; each sends the error it ends with to failed.
	inner  sync.WaitGroup
	failed chan error
}

// run starts a cluster, announces it, and stops it on a signal or when a part of it ends.
func run(args []string) error {
	o, err := parse(args, os.Stderr)
	if isHelp(err) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// The process that started the cluster may be gone, and progress lines that no one reads must not kill the launcher
	// before it has cleaned up.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	confined, err := enter()
	if err != nil {
		return err
	}
	if confined != nil {
		return runInside(ctx, o, confined)
	}
	if o.exitWithStdin {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		// Only end of file ends this read, so the goroutine lives as long as the process.
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
	}
	s, err := claim(o.state)
	if err != nil {
		return err
	}
	if o.node == realNode {
		err = confine(ctx, o, args, s)
	} else {
		l := &launcher{options: o, state: s, began: time.Now(), failed: make(chan error, 8)}
		err = l.run(ctx)
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = nil // stopped by a signal
	}
	return errors.Join(err, s.release())
}

func (l *launcher) run(ctx context.Context) (err error) {
	logName := "kubelet.log"
	if l.inside != nil {
		logName = "launcher.log"
	}
	logFile, err := os.OpenFile(l.state.path(logName), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("launcher's log: %w", err)
	}
	defer logFile.Close()
	l.log = slog.New(slog.NewTextHandler(logFile, nil))
	klog.SetLogger(logr.FromSlogHandler(l.log.Handler()))

	innerCtx, stopInner := context.WithCancel(ctx)
	defer func() {
		l.progress("stopping")
		stopInner()
		l.inner.Wait()
		if l.plane != nil && l.inside == nil { // otherwise it ends with the namespaces, immediately
			l.plane.Stop()
		}
	}()
	startCtx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("not up after %s", startTimeout))
	defer cancel()
	if err := l.start(startCtx, innerCtx); err != nil {
		return err
	}
	l.progress("ready")
	if err := l.announce(os.Stdout); err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-l.plane.Ended():
		return err
	case err := <-l.failed:
		return err
	}
}

// start starts the parts of the cluster; those in this process run until innerCtx ends.
func (l *launcher) start(ctx, innerCtx context.Context) error {
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	l.progress("starting etcd and the API server in " + l.state.dir)
	config := controlplane.Config{
		State: l.state.dir, Executable: executable, Audit: l.options.audit, Controllers: l.options.controllers,
	}
	if l.options.crowd > 0 {
		config.Fill = func(ctx context.Context, etcd string) error { return fixture.Crowd(ctx, etcd, l.options.crowd) }
	}
	if l.inside != nil {
		config.Port, config.NodeAddress = l.inside.port(), net.ParseIP(isolation.NodeAddress)
		if err := l.prepareRealNode(ctx, innerCtx, executable); err != nil {
			return err
		}
	}
	l.plane, err = controlplane.Start(ctx, config)
	if err != nil {
		return err
	}
	l.progress("API server is ready at " + l.plane.Server)
	if l.client, err = l.newClient("kubeconfig"); err != nil {
		return err
	}
	if err := fixture.Grant(ctx, l.client); err != nil {
		return err
	}
	if err := l.startNode(ctx, innerCtx); err != nil {
		return err
	}
	if err := l.startMiddlebox(innerCtx); err != nil {
		return err
	}
	if err := l.startControl(innerCtx); err != nil {
		return err
	}
	if !l.options.fixtures {
		return nil
	}
	l.progress("node is ready, making the workloads")
	return l.runStep(ctx, func(ctx context.Context) error { return fixture.Apply(ctx, l.client) })
}

func (l *launcher) startNode(ctx, innerCtx context.Context) error {
	if l.inside != nil {
		return l.startRealNode(ctx)
	}
	certificate, err := tls.LoadX509KeyPair(l.state.path("pki/kubelet.crt"), l.state.path("pki/kubelet.key"))
	if err != nil {
		return fmt.Errorf("kubelet's certificate: %w", err)
	}
	client, err := l.newClient("pki/kubelet.kubeconfig")
	if err != nil {
		return err
	}
	l.node = kubelet.New(kubelet.Config{
		Name: controlplane.NodeName, Client: client, Certificate: certificate,
		Callers: l.plane.Authority.Pool(), CallerName: controlplane.KubeletClient,
		WebSockets: l.options.webSockets == "passthrough", Log: l.log,
	})
	ready := make(chan struct{})
	l.startPart("kubelet", func() error { return l.node.Run(innerCtx, func() { close(ready) }) })
	return l.runStep(ctx, func(ctx context.Context) error {
		select {
		case <-ready:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("wait for the node: %w", context.Cause(ctx))
		}
	})
}

func (l *launcher) startMiddlebox(innerCtx context.Context) error {
	certificate, err := tls.LoadX509KeyPair(l.state.path("pki/apiserver.crt"), l.state.path("pki/apiserver.key"))
	if err != nil {
		return fmt.Errorf("middlebox's certificate: %w", err)
	}
	config := middlebox.Config{
		Server: l.plane.Server, Authority: l.plane.Authority.Pool(), Certificate: certificate, Log: l.log,
	}
	if l.inside != nil {
		config.Listener = l.inside.middlebox
	}
	l.box, err = middlebox.Listen(config)
	if err != nil {
		return err
	}
	l.startPart("middlebox", func() error { return l.box.Serve(innerCtx) })
	return l.plane.WriteMiddleboxKubeconfig(l.box.URL())
}

func (l *launcher) startControl(innerCtx context.Context) error {
	listener, err := control.Listen(l.state.path("control.sock"))
	if err != nil {
		return err
	}
	handler := control.Streaming(l.node, l.box)
	if l.inside != nil {
		handler = control.Real(l.inside.node, l.box)
	}
	l.startPart("control", func() error { return control.Serve(innerCtx, listener, handler) })
	return nil
}

// startPart starts a part of the cluster in this process.
func (l *launcher) startPart(name string, part func() error) {
	l.inner.Go(func() {
		if err := part(); err != nil {
			l.failed <- fmt.Errorf("%s: %w", name, err)
		}
	})
}

// runStep runs a step of the start, and cancels it when a part of the cluster ends.
func (l *launcher) runStep(ctx context.Context, step func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() { done <- step(ctx) }()
	select {
	case err := <-done:
		return err
	case err := <-l.plane.Ended():
		cancel(err)
		<-done
		return err
	case err := <-l.failed:
		cancel(err)
		<-done
		return err
	}
}

// newClient returns a client from a kubeconfig in the state directory, without client-go's limit of five requests a
// second.
func (l *launcher) newClient(kubeconfig string) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", l.state.path(kubeconfig))
	if err != nil {
		return nil, fmt.Errorf("client by %s: %w", kubeconfig, err)
	}
	config.QPS, config.Burst = 1000, 1000
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client by %s: %w", kubeconfig, err)
	}
	return client, nil
}

func (l *launcher) progress(step string) {
	fmt.Fprintf(os.Stderr, "cluster: %5.1fs %s\n", time.Since(l.began).Seconds(), step)
}

// announcement is what --json prints.
type announcement struct {
	Kubeconfig          string   `json:"kubeconfig"`
	KubeconfigToken     string   `json:"kubeconfigToken"`
	KubeconfigMiddlebox string   `json:"kubeconfigMiddlebox"`
	Contexts            []string `json:"contexts"`
	Control             string   `json:"control"`
	State               string   `json:"state"`
	PID                 int      `json:"pid"`
}

func (l *launcher) announce(w io.Writer) error {
	a := announcement{
		Kubeconfig:          l.state.path("kubeconfig"),
		KubeconfigToken:     l.state.path("kubeconfig-token"),
		KubeconfigMiddlebox: l.state.path("kubeconfig-middlebox"),
		Contexts:            []string{"demo", "demo-team"},
		Control:             l.state.path("control.sock"),
		State:               l.state.dir,
		PID:                 os.Getpid(),
	}
	if l.inside != nil {
		a.PID = l.inside.launcher
	}
	if l.options.json {
		return json.NewEncoder(w).Encode(a)
	}
	_, err := fmt.Fprintf(w, "The cluster is up. Its kubeconfig:\n\n    export KUBECONFIG=%s\n\nCtrl-C stops it.\n", a.Kubeconfig)
	return err
}
