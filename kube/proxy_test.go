package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"fairlead/build/clustertest"
	"fairlead/build/proxytest"
	"fairlead/kube/fault"
	"fairlead/kube/objects"
)

// onlyBeyond is the address of an API server that only a proxy can resolve.
const onlyBeyond = "api.invalid:443"

// changedServer returns the cluster's kubeconfig with changed entries of its API server, and the server's real address.
func changedServer(t *testing.T, cluster *clustertest.Cluster, change func(*clientcmdapi.Cluster)) (path, address string) {
	t.Helper()
	config, err := clientcmd.LoadFromFile(renamedServer(t, cluster))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range config.Clusters {
		u, err := url.Parse(c.Server)
		if err != nil {
			t.Fatal(err)
		}
		address = "127.0.0.1:" + u.Port()
		change(c)
	}
	path = filepath.Join(t.TempDir(), "config")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path, address
}

// trapEnvironment sets a proxy in the environment to which nothing may connect, and returns another such proxy.
func trapEnvironment(t *testing.T) (trap string) {
	trap = proxytest.Trap(t)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, "http://"+trap)
	}
	t.Setenv("NO_PROXY", "")
	t.Setenv("no_proxy", "")
	return proxytest.Trap(t)
}

// openThrough runs a Cluster whose first attempts of questions end sooner than usual.
func openThrough(t *testing.T, c Config) *Cluster {
	t.Helper()
	c.Context = "demo"
	opened, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	opened.api.AttemptTimeout = 2 * time.Second
	run(t, opened)
	return opened
}

// everyWayThroughProxy tests all kinds of requests with an API server whose name only the proxy can resolve, so that each
// has to pass through it: questions, a watch, a probe without credentials, port-forwards, a walk.
func everyWayThroughProxy(t *testing.T, cluster *clustertest.Cluster) {
	trap := trapEnvironment(t)
	kubeconfig, address := changedServer(t, cluster, func(c *clientcmdapi.Cluster) {
		c.Server, c.ProxyURL = "https://"+onlyBeyond, "http://"+trap
	})
	o := proxytest.Options{Login: true, Hosts: map[string]string{onlyBeyond: address}}
	for _, p := range []*proxytest.Proxy{proxytest.HTTP(t, "http", o), proxytest.SOCKS5(t, o)} {
		c := openThrough(t, Config{Kubeconfig: kubeconfig, Proxy: p.URL()})
		if err := c.Check(t.Context()); err != nil {
			t.Fatalf("%s: check: %v", p.Scheme, err)
		}
		if err := c.Look(t.Context()); err != nil {
			t.Errorf("%s: look: %v", p.Scheme, err)
		}
		if pod, err := ask(c, "hello:80"); err != nil || !strings.HasPrefix(pod, "default/hello-") {
			t.Errorf("%s: Pod %q, %v", p.Scheme, pod, err)
		}
		// The client of the streams lists as well.
		if _, err := objects.ListSlices(t.Context(), c.api.Streams, objects.ServiceKey{Namespace: "default", Name: "hello"}); err != nil {
			t.Errorf("%s: list for a watch: %v", p.Scheme, err)
		}
		watch, err := objects.WatchSlices(t.Context(), c.api.Streams, objects.ServiceKey{Namespace: "default", Name: "hello"}, "")
		if err != nil {
			t.Errorf("%s: watch: %v", p.Scheme, err)
		} else {
			watch.Stop()
		}
		_, steps, err := walked(t, c, "hello:80", nil)
		if detail := steps[StepServer].Detail; err != nil || !strings.Contains(detail, "through the proxy "+p.Address) || strings.Contains(detail, proxytest.Password) {
			t.Errorf("%s: walk: %v, API server %q", p.Scheme, err, detail)
		}
		// At least one connection of each client: with the login, without it, for watches, for port-forwards.
		if tunnels := p.Tunnels(); len(tunnels) < 4 || strings.Trim(strings.Join(tunnels, " "), " ") != strings.TrimSpace(strings.Repeat(onlyBeyond+" ", len(tunnels))) {
			t.Errorf("%s: tunnels to %q", p.Scheme, tunnels)
		}
	}
	// A proxy that is independent of this program.
	p := proxytest.Tinyproxy(t, proxytest.Options{Login: true})
	kubeconfig, address = changedServer(t, cluster, func(c *clientcmdapi.Cluster) {
		c.Server, c.ProxyURL = strings.Replace(c.Server, "LOCALHOST", "127.0.0.1", 1), "http://"+trap
	})
	c := openThrough(t, Config{Kubeconfig: kubeconfig, Proxy: p.URL()})
	if pod, err := ask(c, "hello:80"); err != nil || !strings.HasPrefix(pod, "default/hello-") {
		t.Errorf("tinyproxy: Pod %q, %v", pod, err)
	}
	if tunnels := p.Tunnels(); len(tunnels) < 2 || tunnels[0] != address {
		t.Errorf("tinyproxy: tunnels to %q", tunnels)
	}
}

// noWayThroughProxy tests NoProxy while both the kubeconfig and the environment set proxies to which nothing may connect.
func noWayThroughProxy(t *testing.T, cluster *clustertest.Cluster) {
	trap := trapEnvironment(t)
	kubeconfig, _ := changedServer(t, cluster, func(c *clientcmdapi.Cluster) { c.ProxyURL = "http://" + trap })
	c := openThrough(t, Config{Kubeconfig: kubeconfig, NoProxy: true})
	if err := c.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := c.Look(t.Context()); err != nil {
		t.Error(err)
	}
	if pod, err := ask(c, "hello:80"); err != nil || !strings.HasPrefix(pod, "default/hello-") {
		t.Errorf("Pod %q, %v", pod, err)
	}
	watch, err := objects.WatchSlices(t.Context(), c.api.Streams, objects.ServiceKey{Namespace: "default", Name: "hello"}, "")
	if err != nil {
		t.Error(err)
	} else {
		watch.Stop()
	}
	if _, steps, err := walked(t, c, "hello:80", nil); err != nil || strings.Contains(steps[StepServer].Detail, "proxy") {
		t.Errorf("walk: %v, %q", err, steps[StepServer].Detail)
	}
	// Without the setting both are used: so the test above can fail.
	dead := proxytest.Dead(t)
	for name, source := range map[string]fault.ProxySource{"kubeconfig": fault.ProxyKubeconfig, "environment": fault.ProxyEnvironment} {
		kubeconfig, _ := changedServer(t, cluster, func(c *clientcmdapi.Cluster) {
			if name == "kubeconfig" {
				c.ProxyURL = "http://" + dead
			}
		})
		if name == "environment" {
			t.Setenv("HTTPS_PROXY", "http://"+dead)
		}
		c := openThrough(t, Config{Kubeconfig: kubeconfig})
		wantProxyFault(t, name, c.Check(t.Context()), fault.Proxy{Proxy: dead, Source: source})
	}
}

func wantProxyFault(t *testing.T, name string, err error, want fault.Proxy) {
	t.Helper()
	failed, ok := errors.AsType[*fault.Proxy](err)
	_, away := errors.AsType[*fault.Unreachable](err)
	if !ok || !away || failed.Proxy != want.Proxy || failed.Source != want.Source || failed.Problem != want.Problem {
		t.Errorf("%s: %T %v, %+v", name, err, err, failed)
		return
	}
	if strings.Contains(fmt.Sprintf("%v %+v", err, failed), proxytest.Password) {
		t.Errorf("%s: the password is in %v", name, err)
	}
}

// proxyFaults asks a question, probes without a login, and dials a Pod, each through proxies that do not connect.
func proxyFaults(t *testing.T, cluster *clustertest.Cluster) {
	kubeconfig, _ := changedServer(t, cluster, func(c *clientcmdapi.Cluster) {
		c.Server = strings.Replace(c.Server, "LOCALHOST", "127.0.0.1", 1)
	})
	login := proxytest.Options{Login: true}
	untrusted := proxytest.HTTP(t, "https", login)
	for name, test := range map[string]struct {
		via     string
		problem fault.ProxyProblem
	}{
		"dead":        {"http://" + proxytest.Dead(t), fault.ProxyUnusable},
		"dead SOCKS":  {"socks5://" + proxytest.Dead(t), fault.ProxyUnusable},
		"not trusted": {"https://" + untrusted.Address, fault.ProxyUnusable},
		"login":       {"http://" + proxytest.Tinyproxy(t, login).Address, fault.ProxyLogin},
		"SOCKS login": {"socks5h://" + proxytest.SOCKS5(t, login).Address, fault.ProxyLogin},
		"denied":      {"http://" + proxytest.Tinyproxy(t, proxytest.Options{}, "ConnectPort 1").Address, fault.ProxyDenies},
		"silent":      {"http://" + proxytest.Silent(t), fault.ProxyUnusable},
	} {
		via, err := url.Parse(test.via)
		if err != nil {
			t.Fatal(err)
		}
		via.User = url.UserPassword(proxytest.User, "not "+proxytest.Password)
		c := openThrough(t, Config{Kubeconfig: kubeconfig, Proxy: via})
		want := fault.Proxy{Proxy: via.Host, Source: fault.ProxySettings, Problem: test.problem}
		wantProxyFault(t, name+", look", c.Look(t.Context()), want)
		if name == "silent" {
			continue // a question is asked twice, the second time for longer
		}
		wantProxyFault(t, name+", question", c.Check(t.Context()), want)
		wantProxyFault(t, name+", dial", dial(t, c, "hello:80"), want)
	}
	gone := proxytest.Tinyproxy(t, proxytest.Options{})
	kubeconfig, _ = changedServer(t, cluster, func(c *clientcmdapi.Cluster) { c.Server = "https://" + proxytest.Dead(t) })
	c := openThrough(t, Config{Kubeconfig: kubeconfig, Proxy: gone.URL()})
	wantProxyFault(t, "server gone", c.Check(t.Context()), fault.Proxy{Proxy: gone.Address, Source: fault.ProxySettings, Problem: fault.ProxyBeyond})
}

// pluginGetsProxy tests that a credential plugin that asks for the cluster gets the proxy of the Config.
func pluginGetsProxy(t *testing.T, cluster *clustertest.Cluster) {
	p := proxytest.HTTP(t, "http", proxytest.Options{})
	for name, test := range map[string]struct {
		config Config
		want   string
	}{
		"kubeconfig": {Config{}, "http://proxy.invalid:1"},
		"set":        {Config{Proxy: p.URL()}, p.URL().String()},
		"none":       {Config{NoProxy: true}, ""},
	} {
		dir := t.TempDir()
		script := filepath.Join(dir, "plugin")
		text := "#!/bin/sh\nprintf %s \"$KUBERNETES_EXEC_INFO\" >" + filepath.Join(dir, "info") + "\nexit 1\n"
		if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		config, err := clientcmd.LoadFromFile(renamedServer(t, cluster))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range config.Clusters {
			c.ProxyURL = "http://proxy.invalid:1"
		}
		for name := range config.AuthInfos {
			config.AuthInfos[name] = &clientcmdapi.AuthInfo{Exec: &clientcmdapi.ExecConfig{
				APIVersion: "client.authentication.k8s.io/v1", Command: script, InteractiveMode: clientcmdapi.NeverExecInteractiveMode, ProvideClusterInfo: true,
			}}
		}
		test.config.Kubeconfig = filepath.Join(dir, "config")
		if err := clientcmd.WriteToFile(*config, test.config.Kubeconfig); err != nil {
			t.Fatal(err)
		}
		c := openThrough(t, test.config)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		if err := c.Check(ctx); !errors.As(err, new(*fault.Login)) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
		said, err := os.ReadFile(filepath.Join(dir, "info"))
		if err != nil {
			t.Fatal(err)
		}
		var info struct {
			Spec struct {
				Cluster struct {
					ProxyURL string `json:"proxy-url"`
				}
			}
		}
		if err := json.Unmarshal(said, &info); err != nil || info.Spec.Cluster.ProxyURL != test.want {
			t.Errorf("%s: %v, %s", name, err, said)
		}
	}
}
