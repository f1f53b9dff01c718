package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"fairlead/build/testport"
)

// internet starts a nameserver that has one address for all names, and returns where it listens.
func internet(t *testing.T, address string) string {
	t.Helper()
	at, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: at, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		a := new(dns.Msg).SetReply(q)
		a.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 5}, A: net.ParseIP(address)}}
		_ = w.WriteMsg(a) // the client notices
	})}
	done := make(chan error, 1)
	ready := make(chan struct{})
	server.NotifyStartedFunc = func() { close(ready) }
	go func() { done <- server.ActivateAndServe() }()
	<-ready
	t.Cleanup(func() {
		if err := server.Shutdown(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return at.LocalAddr().String()
}

// dnsmasqWith runs dnsmasq with a file of settings, and an upstream for names that these do not send elsewhere. Like
// routers do, it drops private addresses from answers. It returns where it listens.
func dnsmasqWith(t *testing.T, settings, upstream string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "dnsmasq.conf")
	writeFile(t, file, settings)
	if out, err := exec.Command("/usr/sbin/dnsmasq", "--test", "--conf-file="+file).CombinedOutput(); err != nil {
		t.Fatalf("dnsmasq (package dnsmasq-base) does not accept the settings: %v\n%s", err, out)
	}
	host, port := "127.0.0.1", strconv.Itoa(testport.Free(t))
	at := net.JoinHostPort(host, port)
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command("/usr/sbin/dnsmasq", "--keep-in-foreground", "--conf-file="+file, "--no-resolv", "--no-hosts", "--pid-file=", "--log-facility=-", "--log-queries",
		"--bind-interfaces", "--listen-address="+host, "--port="+port, "--server="+strings.Replace(upstream, ":", "#", 1), "--stop-dns-rebind")
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		if said, err := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("dnsmasq: %v\n%s", err, said)
		}
	})
	eventually(t, "dnsmasq to listen", func() bool {
		conn, err := net.Dial("tcp", at)
		return err == nil && conn.Close() == nil
	})
	return at
}

// dnsmasq with the lines of fairlead env sends the names of the cluster to Fairlead, and all others where it did before.
func TestDnsmasqSendsTheClustersNamesToTheNameserver(t *testing.T) {
	r, _ := serveForwards(t, `{dns: %s}`)
	hello := strings.TrimSpace(kubectl(t, "get", "service", "hello", "-o", "jsonpath={.spec.clusterIP}"))
	for _, kind := range []string{"dnsmasq", "networkmanager"} {
		at := dnsmasqWith(t, r.must(t, "env", "demo", "--for", kind), internet(t, "8.8.4.4"))
		for name, want := range map[string]string{
			"hello.default.svc.cluster.local": "NOERROR; hello.default.svc.cluster.local. 5 IN A " + hello,
			"none.default.svc.cluster.local":  "NXDOMAIN",
			"www.example.com":                 "NOERROR; www.example.com. 5 IN A 8.8.4.4",
			"xcluster.local":                  "NOERROR; xcluster.local. 5 IN A 8.8.4.4",
		} {
			if got, _ := answered(t, "udp", at, name, dns.TypeA); got != want {
				t.Errorf("%s: %s: %s, want %s", kind, name, got, want)
			}
		}
	}
}

// What a resolver needs is known of a context that is off, and only if it has a nameserver.
func TestResolversOfContexts(t *testing.T) {
	r := servingBy(t, "contexts:\n  demo: {dns: 127.0.0.9:1053, cluster-domain: k8s.example.com}\n", "demo", "demo-team")
	r.must(t, "off", "demo")
	if got, want := r.must(t, "env", "demo", "--for", "macos"), "nameserver 127.0.0.9\nport 1053\n"; got != want {
		t.Errorf("macos: %q, want %q", got, want)
	}
	if got := r.ask(t, "env", "demo", "--for", "resolved"); got.status != 0 || !strings.Contains(got.stdout, "127.0.0.9:1053\n") ||
		!strings.Contains(got.stdout, "'~k8s.example.com'\n") || !strings.Contains(got.stderr, "sudo ip link delete") {
		t.Errorf("resolved: status %d\n%s%s", got.status, got.stdout, got.stderr)
	}
	got := r.ask(t, "env", "demo-team", "--for", "dnsmasq")
	if got.status == 0 || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 || !strings.Contains(got.stderr, "dns: 127.0.0.1:1053") {
		t.Errorf("a context without a nameserver: status %d\n%s%s", got.status, got.stdout, got.stderr)
	}
}
