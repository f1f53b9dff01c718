package kube

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"fairlead/build/clustertest"
	"fairlead/build/proxytest"
	"fairlead/kube/fault"
)

// ownProxy tests an environment whose proxy is this program's own: a listener to which nothing may connect.
func ownProxy(t *testing.T, cluster *clustertest.Cluster) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ours := func(a netip.AddrPort) bool { return a == netip.MustParseAddrPort(listener.Addr().String()) }
	kubeconfig := renamedServer(t, cluster)
	for _, variable := range []string{"socks5://127.0.0.1:" + port, "http://localhost:" + port} {
		t.Setenv("HTTPS_PROXY", variable)
		c, err := Open(Config{Kubeconfig: kubeconfig, Context: "demo", Own: ours})
		if err != nil {
			t.Fatal(err)
		}
		run(t, c)
		if pod, err := ask(c, "hello:80"); err != nil {
			t.Errorf("%s: Pod %q, %v", variable, pod, err)
		}
	}
	if err := listener.(*net.TCPListener).SetDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if conn, err := listener.Accept(); err == nil {
		t.Errorf("%v came for our own proxy", conn.RemoteAddr())
	}
	// Another proxy is used: so the test above can fail.
	t.Setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
	c, err := Open(Config{Kubeconfig: kubeconfig, Context: "demo", Own: ours})
	if err != nil {
		t.Fatal(err)
	}
	run(t, c)
	if err := dial(t, c, "hello:80"); !isUnreachable(err) {
		t.Errorf("through a proxy that is not there: %v", err)
	}
}

// kubectl then connects without a proxy. A user who has set one does not want that.
func TestAVariableThatCannotBeReadIsNoWayPastTheProxy(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	config := clientcmdapi.NewConfig()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	// In lower case it would be a loopback host, which needs no proxy.
	config.Clusters["demo"] = &clientcmdapi.Cluster{Server: "http://LOCALHOST:" + port}
	config.AuthInfos["me"] = &clientcmdapi.AuthInfo{Token: "token"}
	config.Contexts["demo"] = &clientcmdapi.Context{Cluster: "demo", AuthInfo: "me"}
	path := filepath.Join(t.TempDir(), "config")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"} {
		t.Setenv(name, "")
	}
	t.Setenv("HTTP_PROXY", "http://bob:"+proxytest.Password+"%zz@proxy.example:8080")
	c := openThrough(t, Config{Kubeconfig: path})
	want := fault.Proxy{Proxy: "HTTP_PROXY", Source: fault.ProxyEnvironment}
	wantProxyFault(t, "look", c.Look(t.Context()), want)
	wantProxyFault(t, "dial", dial(t, c, "hello:80"), want)
}

func isUnreachable(err error) bool {
	return errors.As(err, new(*fault.Unreachable))
}

// renamedServer returns the cluster's kubeconfig with a name of this machine for the API server. The environment's proxy is
// used for it; for the same name in lower case it would not be.
func renamedServer(t *testing.T, cluster *clustertest.Cluster) string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(cluster.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range config.Clusters {
		u, err := url.Parse(c.Server)
		if err != nil {
			t.Fatal(err)
		}
		c.Server, c.TLSServerName = "https://LOCALHOST:"+u.Port(), "localhost"
	}
	path := filepath.Join(t.TempDir(), "config")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}
