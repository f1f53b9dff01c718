package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"fairlead/app/command"
	"fairlead/app/explain"
	"fairlead/app/gateway"
	"fairlead/app/instance"
	"fairlead/app/table"
	"fairlead/kube"
	"fairlead/kube/kubeconfig"
	"fairlead/proxy/hostport"
)

// doctorTimeout bounds a diagnosis; a healthy one takes a second.
const doctorTimeout = time.Minute

// Doctor checks the path into a context's cluster, with the settings that its proxy would use, and prints each step. It
// returns an error if a step failed.
func Doctor(ctx context.Context, o command.Options, name, target string) error {
	p, err := instance.Open(o.Kubeconfig, io.Discard) // log lines are not steps
	if err != nil {
		return err
	}
	defer p.Close()
	entry, problem, err := findEntry(p, name)
	name = cmp.Or(name, entry.Name)
	said := p.Problems()
	if problem != nil {
		said = p.SettingsProblems() // the step prints the kubeconfig's
	}
	for _, line := range said {
		fmt.Fprintln(os.Stderr, "fairlead:", line)
	}
	if err != nil {
		return err
	}
	target, err = hostAndPort(target)
	if err != nil {
		return err
	}
	chart := &chart{to: table.For(os.Stdout), Context: name, Target: target, Steps: []chartStep{}}
	if o.Output != "" {
		chart.to = table.Output{Writer: io.Discard}
	}
	if problem != nil {
		chart.step(kube.Step{Name: kube.StepKubeconfig, Err: problem})
	} else {
		err = diagnose(ctx, p, entry, o.Namespace, chart)
	}
	chart.OK = err == nil && chart.Broken == ""
	_, encodeErr := encode(os.Stdout, o.Output, chart)
	return errors.Join(err, encodeErr, chart.verdict())
}

// findEntry returns the context with that name or, if it may be in a kubeconfig that cannot be read, the problem of
// that file.
func findEntry(p *instance.Instance, name string) (entry kubeconfig.Context, problem, err error) {
	k := p.Kubeconfig.Load()
	if name == "" {
		name, err = currentContext(*k)
	}
	if err == nil {
		entry, err = p.Find(name)
	}
	switch {
	case err == nil:
		return entry, nil, nil
	case len(k.Contexts) == 0 && len(k.Problems) == 0:
		return entry, errors.New(instance.NoContexts(*k)), nil
	case len(k.Contexts) == 0:
		return entry, errors.New(strings.Join(p.KubeconfigProblems(), "; ")), nil
	case len(instance.BrokenFiles(*k)) > 0:
		return entry, errors.New(strings.Join(append(p.KubeconfigProblems(), err.Error()), "; ")), nil
	}
	return entry, nil, err
}

// diagnose prints the steps to the chart's target. namespace applies to names without one, unless it is empty.
func diagnose(ctx context.Context, p *instance.Instance, entry kubeconfig.Context, namespace string, chart *chart) error {
	if entry.Err != nil {
		chart.step(kube.Step{Name: kube.StepKubeconfig, Detail: entry.File, Err: entry.Err})
		return nil
	}
	if problem := p.Settings.Effective(entry.Name).Problem; problem != "" {
		chart.step(kube.Step{Name: stepSettings, Err: errors.New(problem)})
		return nil
	}
	cluster, outside, err := openCluster(p, entry, namespace)
	if files, ok := errors.AsType[*carrierError](err); ok {
		chart.step(kube.Step{Name: kube.StepKonnectivity, Err: files.err})
		return nil
	}
	if err != nil {
		chart.step(kube.Step{Name: kube.StepKubeconfig, Detail: entry.File, Err: err})
		return nil
	}
	chart.others = outside
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	return whileRunning(ctx, cluster, func() {
		cluster.Walk(ctx, chart.Target, outside.Walked(), func(s kube.Step) {
			if s.Name == kube.StepOutside {
				address, _, _ := strings.Cut(s.Detail, " ")
				s.Detail += chart.through(ctx, address)
			}
			chart.step(s)
		})
	})
}

// stepSettings is the step in which a context turns out not to start with its settings. It is only reported if it fails.
const stepSettings = "settings"

// ownAddress reports whether one of our proxies listens at an address, or will. The proxies run in another process.
func ownAddress(p *instance.Instance, address netip.AddrPort) bool {
	for _, c := range p.Kubeconfig.Load().Contexts {
		for _, own := range p.Settings.Effective(c.Name).Endpoints {
			if own.Address.Port() == address.Port() && address.Addr().IsLoopback() {
				return true
			}
		}
	}
	return false
}

// hostAndPort returns the host and port of a URL, and anything else unchanged. Text that no client could ask for is a
// usage error.
func hostAndPort(asked string) (string, error) {
	if u, err := url.Parse(asked); err == nil && u.Host != "" {
		asked = u.Host
		port := map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443"}[u.Scheme]
		if u.Port() == "" && port != "" {
			asked = net.JoinHostPort(u.Hostname(), port)
		}
	}
	if _, err := hostport.ParseNamed(asked); err == nil || asked == "" {
		return asked, nil
	}
	if _, err := hostport.New(asked, 1); err == nil {
		return asked, nil
	}
	return "", &command.UsageError{Err: fmt.Errorf("%q is neither HOST nor HOST:PORT, as a client would ask for it", asked)}
}

// A chart prints the steps of a diagnosis. Scripts read its JSON form, which must not change.
type chart struct {
	Context string      `json:"context"`
	Target  string      `json:"target,omitempty"`
	OK      bool        `json:"ok"`
	Broken  string      `json:"broken,omitempty"` // the step that broke
	Steps   []chartStep `json:"steps"`

	to     table.Output
	others *gateway.Outside // the routes of hosts outside the cluster
}

type chartStep struct {
	Name         string  `json:"name"`
	OK           bool    `json:"ok"`
	Detail       string  `json:"detail,omitempty"`
	Milliseconds float64 `json:"milliseconds"`
	Sentence     string  `json:"sentence,omitempty"` // what is broken
	Hint         string  `json:"hint,omitempty"`     // what to do about it
}

func (c *chart) step(s kube.Step) {
	e := explain.Error(s.Err).In(c.Context)
	if c.Target != "" {
		e = e.For(c.Target)
	}
	c.Steps = append(c.Steps, chartStep{
		Name: s.Name, OK: s.Err == nil, Detail: s.Detail, Milliseconds: float64(s.Took.Microseconds()) / 1000,
		Sentence: e.Sentence, Hint: e.Hint,
	})
	state, style := "ok    ", table.Good
	if s.Err != nil {
		state, style, c.Broken = "BROKEN", table.Bad, s.Name
	}
	_ = c.to.Item(fmt.Sprintf("%s  %-13s  %8s  ", state, s.Name, formatTook(s.Took)), style, s.Detail)
	for _, line := range []string{e.Sentence, e.Hint} {
		if line != "" {
			_ = c.to.Paragraph("        ", line, table.Plain)
		}
	}
}

// through describes the forward proxy for a host outside, if there is one.
func (c *chart) through(ctx context.Context, address string) string {
	via, err := c.others.Forward(ctx, address)
	if err != nil || via == nil {
		return ""
	}
	return ", through the proxy " + via.Host
}

func (c *chart) verdict() error {
	if c.Broken == "" {
		return nil
	}
	return fmt.Errorf("failed at: %s", c.Broken)
}

// formatTook returns a duration with as many digits as are significant.
func formatTook(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	case d < 10*time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}
