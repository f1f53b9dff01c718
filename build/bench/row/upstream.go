package row

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"fairlead/build/bench/report"
	"fairlead/build/bench/way"
	"fairlead/build/proxytest"
)

const (
	upstreamFirsts    = 21 // requests per subject
	upstreamDownloads = 5  // per subject
	downloadTime      = 1500 * time.Millisecond
	// farName is a name of the far side that only the forward proxies can resolve.
	farName = "far.bench.example"
	// plainTool is the subject that uses the forward proxy without Fairlead.
	plainTool = "curl"
)

// UpstreamsNote describes the row of the upstreams.
const UpstreamsNote = "through tinyproxy and so on: curl makes the requests, by Fairlead with that forward proxy as its upstream, or (× curl) by the " +
	"forward proxy itself. Fairlead speaks the forward proxy's protocol to curl, without TLS; stunnel demands a client certificate and " +
	"leads to a tinyproxy. The processor time is that of Fairlead alone."

// An upstream is a running forward proxy.
type upstream struct {
	proxy        *proxytest.Proxy
	certificates *proxytest.Certificates // for both sides of its TLS; nil without TLS
}

// A tool is a kind of forward proxy.
type tool struct {
	name  string
	start func(proxytest.TB, proxytest.Options) upstream
}

func tools() []tool {
	plain := func(name string, start func(proxytest.TB, proxytest.Options) *proxytest.Proxy) tool {
		return tool{name, func(t proxytest.TB, o proxytest.Options) upstream { return upstream{proxy: start(t, o)} }}
	}
	return []tool{
		plain("tinyproxy", func(t proxytest.TB, o proxytest.Options) *proxytest.Proxy { return proxytest.Tinyproxy(t, o) }),
		plain("squid", func(t proxytest.TB, o proxytest.Options) *proxytest.Proxy { return proxytest.Squid(t, o) }),
		plain("dante", proxytest.Dante),
		{"stunnel", func(t proxytest.TB, o proxytest.Options) upstream {
			c := proxytest.NewCertificates(t)
			return upstream{proxytest.Stunnel(t, c, true, proxytest.Tinyproxy(t, o)), &c}
		}},
	}
}

// upstreams measures Fairlead with each kind of forward proxy as its upstream, and curl with the forward proxy alone.
func upstreams(ctx context.Context, l *Lab) ([]report.Measure, error) {
	judged := l.judged()
	if judged == nil {
		return nil, nil
	}
	fairlead, ok := judged.(*way.Proxy)
	if !ok {
		return nil, errors.New("fairlead is not a proxy")
	}
	return throughEach(ctx, l, fairlead, tools())
}

// throughEach measures each kind of forward proxy. One that does not work is a result, too.
func throughEach(ctx context.Context, l *Lab, fairlead *way.Proxy, tools []tool) (measures []report.Measure, err error) {
	for _, tool := range tools {
		costs := newUpstreamCosts(tool.name)
		err := costs.measure(ctx, l, fairlead, tool)
		if ctx.Err() != nil {
			return measures, context.Cause(ctx)
		}
		if err != nil {
			l.Say("through %s: %v", tool.name, err)
			costs.fail(err)
		}
		for _, m := range costs.all() {
			m.Reference = report.Reference{Name: plainTool, Value: medianOf(*m, plainTool)}
			l.printResult(*m)
			measures = append(measures, *m)
		}
	}
	return measures, nil
}

// medianOf returns the median of a subject's samples; 0 if there are none, with which nothing is compared.
func medianOf(m report.Measure, subject string) float64 {
	for _, s := range m.Subjects {
		if s.Name == subject {
			return report.Summarize(s.Samples).Median
		}
	}
	return 0
}

// upstreamCosts holds the measures of one kind of forward proxy.
type upstreamCosts struct{ first, rate, cpu report.Measure }

func newUpstreamCosts(tool string) *upstreamCosts {
	c := &upstreamCosts{
		first: report.Measure{Work: fmt.Sprintf("first byte, through %s, R = 0 ms", tool), Unit: "ms", Lower: true},
		rate:  report.Measure{Work: fmt.Sprintf("one download, through %s, R = 0 ms", tool), Unit: "MiB/s"},
		cpu:   report.Measure{Work: fmt.Sprintf("processor time, one download, through %s, R = 0 ms", tool), Unit: "s/GiB", Lower: true},
	}
	for _, m := range c.all() {
		m.Add(report.Judged)
	}
	return c
}

func (c *upstreamCosts) all() []*report.Measure {
	return []*report.Measure{&c.first, &c.rate, &c.cpu}
}

func (c *upstreamCosts) fail(err error) {
	for _, m := range c.all() {
		m.Fail(report.Judged, err)
	}
}

// measure starts the forward proxy and Fairlead, and makes requests through both and through the first alone, in turn.
func (c *upstreamCosts) measure(ctx context.Context, l *Lab, fairlead *way.Proxy, tool tool) error {
	var up upstream
	stop, err := proxytest.Launch(func(t proxytest.TB) {
		up = tool.start(t, proxytest.Options{Hosts: map[string]string{farName: l.Place[none].Host}})
	})
	if err != nil {
		return err
	}
	defer stop()
	w, err := l.openThrough(ctx, fairlead, up)
	if err != nil {
		return err
	}
	defer w.Close()
	target := net.JoinHostPort(farName, strconv.Itoa(l.Ports.Plain))
	clients := []curl{up.behind(w), up.alone()}
	for _, client := range clients {
		if _, err := client.ask(ctx, target); err != nil {
			return fmt.Errorf("warm up: %w", err)
		}
	}
	for range upstreamFirsts {
		for _, client := range clients {
			took, err := client.ask(ctx, target)
			if err != nil {
				return err
			}
			c.first.Add(client.name, milliseconds(took))
		}
	}
	for range upstreamDownloads {
		for _, client := range clients {
			if err := c.download(ctx, client, w, target); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *upstreamCosts) download(ctx context.Context, client curl, w way.Way, target string) error {
	before, err := cpu(w)
	if err != nil {
		return err
	}
	result, err := client.download(ctx, target, downloadTime)
	if err != nil {
		return err
	}
	c.rate.Add(client.name, result.mebibytesPerSecond())
	if client.name != report.Judged {
		return nil
	}
	after, err := cpu(w)
	result.cpu = after - before
	if err == nil {
		c.cpu.Add(client.name, result.cpuSecondsPerGibibyte())
	}
	return err
}

// openThrough opens a Fairlead with the forward proxy as the upstream of everything outside the cluster.
func (l *Lab) openThrough(ctx context.Context, fairlead *way.Proxy, up upstream) (*way.Proxied, error) {
	dir, err := os.MkdirTemp(l.Dir, "config-")
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(filepath.Join(dir, "fairlead"), 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "fairlead", "config.yaml"), []byte(up.settings()), 0o600); err != nil {
		return nil, err
	}
	through := *fairlead
	through.Env = append(slices.Clone(fairlead.Env), "XDG_CONFIG_HOME="+dir)
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	return through.OpenProxy(ctx, way.Site{Kubeconfig: l.Place[none].Kubeconfig, Dir: l.Dir})
}

// settings returns a config.yaml.
func (u upstream) settings() string {
	files := ""
	if c := u.certificates; c != nil {
		files = fmt.Sprintf(", ca: %q, cert: %q, key: %q", c.File("ca.crt"), c.File("client.crt"), c.File("client.key"))
	}
	return fmt.Sprintf("upstreams: {tool: {url: %q%s}}\ndefaults: {outside: tool}\n", u.proxy.URL(), files)
}

// alone returns the client that uses the forward proxy itself.
func (u upstream) alone() curl {
	client := curl{name: plainTool, args: []string{"--proxy", u.scheme() + "://" + u.proxy.Address}}
	if c := u.certificates; c != nil {
		client.args = []string{"--proxy", u.proxy.URL().String(),
			"--proxy-cacert", c.File("ca.crt"), "--proxy-cert", c.File("client.crt"), "--proxy-key", c.File("client.key")}
	}
	return client
}

// behind returns the client that uses Fairlead, which uses the forward proxy.
func (u upstream) behind(w *way.Proxied) curl {
	return curl{name: report.Judged, args: []string{"--proxy", u.scheme() + "://" + w.Address()}}
}

// scheme returns the protocol of the forward proxy without its TLS, with names that the proxy looks up.
func (u upstream) scheme() string {
	if u.proxy.Scheme == "socks5" {
		return "socks5h"
	}
	return "http"
}
