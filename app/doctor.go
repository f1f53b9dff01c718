package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"fairlead/app/command"
	"fairlead/app/explain"
	"fairlead/kube"
	"fairlead/proxy"
)

// doctorLasts bounds a walk; a healthy one takes a second.
const doctorLasts = time.Minute

// runDoctor walks the way into a context's cluster, with the settings that its proxy would have, and prints each step.
// What was broken is an error.
func runDoctor(ctx context.Context, o command.Options, name, target string) error {
	p, err := open(o)
	if err != nil {
		return err
	}
	defer p.Close()
	entry, err := p.find(name)
	if err != nil {
		return err
	}
	target, err = hostAndPort(target)
	if err != nil {
		return err
	}
	chart := &chart{to: os.Stdout, context: name}
	if entry.Err != nil {
		chart.step(kube.Step{Name: kube.StepKubeconfig, Detail: entry.File, Err: entry.Err})
		return chart.verdict()
	}
	config, policy := p.wiring.into(name, p.settings.Effective(name))
	config.Policy, config.Log, config.Own = policy, p.log, p.ownAddress
	cluster, err := kube.Open(config)
	if err != nil {
		chart.step(kube.Step{Name: kube.StepKubeconfig, Detail: entry.File, Err: err})
		return chart.verdict()
	}
	ctx, cancel := context.WithTimeout(ctx, doctorLasts)
	defer cancel()
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	var runErr error
	wg.Go(func() { runErr = cluster.Run(running) })
	cluster.Walk(ctx, target, chart.step)
	stop()
	wg.Wait()
	if runErr != nil {
		return runErr
	}
	return chart.verdict()
}

// ownAddress tells whether a proxy of ours listens at an address, or will: the app itself is another process.
func (p *program) ownAddress(address netip.AddrPort) bool {
	for _, c := range p.kubeconfig.Load().Contexts {
		s := p.settings.Effective(c.Name)
		if s.Port == int(address.Port()) && address.Addr().IsLoopback() {
			return true
		}
	}
	return false
}

// hostAndPort takes a URL for its host and port, and anything else as it is. What no client could ask for is a usage error.
func hostAndPort(target string) (string, error) {
	if u, err := url.Parse(target); err == nil && u.Host != "" {
		target = u.Host
		port := map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443"}[u.Scheme]
		if u.Port() == "" && port != "" {
			target = net.JoinHostPort(u.Hostname(), port)
		}
	}
	if _, err := proxy.ParseTarget(target); err == nil || target == "" {
		return target, nil
	}
	if _, err := proxy.NewTarget(target, 1); err == nil {
		return target, nil
	}
	return "", &command.UsageError{Err: fmt.Errorf("%q is neither HOST nor HOST:PORT, as a client would ask for it", target)}
}

// A chart prints the steps of a walk.
type chart struct {
	to      io.Writer
	context string
	broken  string // the step that broke
}

func (c *chart) step(s kube.Step) {
	state := "ok    "
	if s.Err != nil {
		state, c.broken = "BROKEN", s.Name
	}
	line := fmt.Sprintf("%s  %-13s  %8s  %s", state, s.Name, took(s.Took), s.Detail)
	fmt.Fprintln(c.to, strings.TrimRight(line, " "))
	if s.Err == nil {
		return
	}
	e := explain.Error(s.Err).In(c.context)
	for _, line := range []string{e.Sentence, e.Hint} {
		if line != "" {
			fmt.Fprintf(c.to, "        %s\n", line)
		}
	}
}

func (c *chart) verdict() error {
	if c.broken == "" {
		return nil
	}
	return fmt.Errorf("the way breaks at: %s", c.broken)
}

// took is a duration with as many digits as matter.
func took(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	case d < 10*time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}
