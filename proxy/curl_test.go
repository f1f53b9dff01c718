package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"fairlead/proxy"
)

func TestCurlReachesNamesThroughEveryProtocol(t *testing.T) {
	site := web(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "hello %s\n", r.Host) })
	name := "hello.default.svc.cluster.local:80"
	w := open(t, proxy.Config{Rules: []proxy.Rule{{
		Name:   "cluster",
		Dialer: through{names: map[string]string{name: strings.TrimPrefix(site.URL, "http://")}},
	}}})
	for _, args := range [][]string{
		{"--proxy", "socks5h://" + w.addr},
		{"--proxy", "http://" + w.addr},
		{"--proxy", "http://" + w.addr, "--proxytunnel"},
	} {
		out, code := curl(t, append(args, "http://hello.default.svc.cluster.local/")...)
		if code != 0 || out != "hello hello.default.svc.cluster.local\n" {
			t.Errorf("curl %v: exit %d, %q", args, code, out)
		}
	}
	protocols := map[proxy.Protocol]int{}
	for _, r := range w.waitReports(3) {
		protocols[r.Protocol]++
		if r.Err != nil || r.Target != name || r.Rule != "cluster" || r.Stage != proxy.StageRelay || r.Sent == 0 || r.Received == 0 {
			t.Errorf("report %+v", r)
		}
	}
	if protocols[proxy.SOCKS5] != 1 || protocols[proxy.HTTP] != 1 || protocols[proxy.Connect] != 1 {
		t.Errorf("protocols %v", protocols)
	}
}
