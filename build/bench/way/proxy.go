package way

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fairlead/build/bench/process"
	"fairlead/build/testport"
)

// A Proxy is a SOCKS5 proxy into the cluster that a command starts. {kubeconfig} and {port} in the command are
// replaced.
type Proxy struct {
	Label   string
	Command []string
	// Announces means that it prints a line once it listens; otherwise its port is polled.
	Announces bool
	Env       []string // appended to its environment
}

// Fairlead returns the proxy of this repository, in the foreground on the context of the cluster's administrator.
func Fairlead(binary string) *Proxy {
	return &Proxy{
		Label:     "fairlead",
		Command:   []string{binary, "serve", "--kubeconfig", "{kubeconfig}", "--listen", "127.0.0.1:{port}", "demo"},
		Announces: true,
	}
}

func (p *Proxy) Name() string { return p.Label }

func (p *Proxy) InCluster() bool { return true }

// Open starts the proxy as OpenProxy does.
func (p *Proxy) Open(ctx context.Context, s Site) (Way, error) {
	w, err := p.OpenProxy(ctx, s)
	if err != nil {
		return nil, err // not a Way that holds nil
	}
	return w, nil
}

// OpenProxy starts the proxy with its own state directory.
func (p *Proxy) OpenProxy(ctx context.Context, s Site) (*Proxied, error) {
	port, err := testport.Choose()
	if err != nil {
		return nil, err
	}
	state, err := os.MkdirTemp(s.Dir, "state-")
	if err != nil {
		return nil, err
	}
	replacer := strings.NewReplacer("{kubeconfig}", s.Kubeconfig, "{port}", strconv.Itoa(port))
	var words []string
	for _, word := range p.Command {
		words = append(words, replacer.Replace(word))
	}
	proc, err := process.Start(process.Config{
		Path: words[0], Args: words[1:], Dir: state, Name: filepath.Base(words[0]),
		Env: append([]string{"KUBECONFIG=" + s.Kubeconfig, "XDG_STATE_HOME=" + state, "XDG_CONFIG_HOME=" + state, "XDG_CACHE_HOME=" + state, "XDG_RUNTIME_DIR=" + state}, p.Env...),
	})
	if err != nil {
		return nil, err
	}
	w := &Proxied{address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), process: proc}
	if err := p.ready(ctx, w); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func (p *Proxy) ready(ctx context.Context, w *Proxied) error {
	if p.Announces {
		_, err := w.process.Line(ctx)
		return err
	}
	for {
		conn, err := dial(ctx, w.address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-w.process.Ended():
			return fmt.Errorf("%s ended before it listened", p.Label)
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen on %s: %w", p.Label, w.address, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// A Proxied is the way through an open Proxy.
type Proxied struct {
	address string
	process *process.Process
}

// Address returns where the proxy listens, for clients that are other programs.
func (w *Proxied) Address() string { return w.address }

func (w *Proxied) Dial(ctx context.Context, t Target) (net.Conn, error) {
	return dialSOCKS5(ctx, w.address, t.Address)
}

func (w *Proxied) Processes() []*process.Process { return []*process.Process{w.process} }

func (w *Proxied) Close() { w.process.Stop() }
