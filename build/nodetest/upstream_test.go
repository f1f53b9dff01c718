//go:build node

package nodetest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"fairlead/build/clustertest"
	"fairlead/build/proxytest"
)

// farAddress is an address that only Pods reach, and farName its name, which only Pods know.
const farAddress, farName = "203.0.113.10", "db.corp.example"

// farPage is the content of each page of the far host.
const farPage = "from far away"

// A proxyPod is a real proxy in a Pod, with its Service.
type proxyPod struct {
	name    string
	port    int
	command []string
	config  string // the content of /etc/proxy/conf
}

// manifest returns the Pod and its Service. The programs and their libraries are the machine's own.
func (p proxyPod) manifest(files map[string]string) string {
	files["conf"] = p.config
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err) // strings can be encoded
		}
		return string(b)
	}
	return fmt.Sprintf(`
apiVersion: v1
kind: ConfigMap
metadata: {name: %[1]s}
data: %[2]s
---
apiVersion: v1
kind: Service
metadata: {name: %[1]s}
spec: {selector: {app: %[1]s}, ports: [{name: proxy, port: %[3]d}]}
---
apiVersion: v1
kind: Pod
metadata: {name: %[1]s, labels: {app: %[1]s}}
spec:
  terminationGracePeriodSeconds: 1
  securityContext: {runAsNonRoot: true, runAsUser: 65534, runAsGroup: 65534}
  hostAliases: [{ip: %[4]s, hostnames: [%[5]s]}]
  volumes:
  - {name: usr, hostPath: {path: /usr}}
  - {name: lib, hostPath: {path: /usr/lib}}
  - {name: lib64, hostPath: {path: /usr/lib64}}
  - {name: users, hostPath: {path: /etc/passwd}}
  - {name: groups, hostPath: {path: /etc/group}}
  - {name: squid, hostPath: {path: /etc/squid}}
  - {name: conf, configMap: {name: %[1]s}}
  - {name: tmp, emptyDir: {}}
  - {name: log, emptyDir: {}}
  containers:
  - name: proxy
    image: demo.local/echo:1
    imagePullPolicy: Never
    command: %[6]s
    ports: [{containerPort: %[3]d}]
    readinessProbe: {tcpSocket: {port: %[3]d}, periodSeconds: 1}
    volumeMounts:
    - {name: usr, mountPath: /usr, readOnly: true}
    - {name: lib, mountPath: /lib, readOnly: true}
    - {name: lib64, mountPath: /lib64, readOnly: true}
    - {name: users, mountPath: /etc/passwd, readOnly: true}
    - {name: groups, mountPath: /etc/group, readOnly: true}
    - {name: squid, mountPath: /etc/squid, readOnly: true}
    - {name: conf, mountPath: /etc/proxy}
    - {name: tmp, mountPath: /tmp}
    - {name: log, mountPath: /var/log}
`, p.name, text(files), p.port, farAddress, farName, text(p.command))
}

func proxyPods() []proxyPod {
	stunnel := []string{"/usr/bin/stunnel4", "/etc/proxy/conf"}
	const stunnelConfig = "foreground = yes\npid =\ndebug = 4\n[proxy]\naccept = 0.0.0.0:8443\nconnect = TINYPROXY:8888\ncert = /etc/proxy/server.pem\n"
	return []proxyPod{
		{"tinyproxy", 8888, []string{"/usr/bin/tinyproxy", "-d", "-c", "/etc/proxy/conf"}, "Port 8888\nTimeout 600\nMaxClients 500\n"},
		{"squid", 3128, []string{"/usr/sbin/squid", "-N", "-f", "/etc/proxy/conf"}, "http_port 3128\nhttp_access allow all\ncache deny all\npid_filename none\n" +
			"access_log none\ncache_log /tmp/squid.log\ncoredump_dir /tmp\nmemory_cache_shared off\nnetdb_filename none\npinger_enable off\nmax_filedescriptors 4096\nshutdown_lifetime 0 seconds\n"},
		{"dante", 1080, []string{"/usr/sbin/danted", "-f", "/etc/proxy/conf"}, "logoutput: stderr\ninternal: 0.0.0.0 port = 1080\nexternal: eth0\nsocksmethod: none\nclientmethod: none\n" +
			"user.privileged: nobody\nuser.unprivileged: nobody\nclient pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }\nsocks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }\n"},
		{"stunnel", 8443, stunnel, stunnelConfig + "CAfile = /etc/proxy/ca.crt\nverifyChain = yes\nrequireCert = yes\n"},
		{"stunnel-open", 8443, stunnel, stunnelConfig},
		{"mitmproxy", 8080, []string{"/usr/bin/mitmdump", "--quiet", "--listen-host", "0.0.0.0", "-p", "8080", "--set", "confdir=/tmp", "--set", "proxyauth=" + farLogin,
			"--set", "ssl_verify_upstream_trusted_ca=/etc/proxy/ca.crt"}, ""},
	}
}

// Real proxies in real Pods lead to a host that only the Pods' network reaches, by a name that only they know: each alone,
// and up to three behind each other, over TLS with and without a client certificate.
func TestUpstreamsAreRealPods(t *testing.T) {
	certificates := proxytest.NewCertificates(t, farName)
	files := map[string]string{}
	for _, name := range []string{"server.pem", "ca.crt"} {
		text, err := os.ReadFile(certificates.File(name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	onEachCluster(t, func(t *testing.T, c *clustertest.Cluster) {
		farHost(t, c)
		farTLS(t, c, certificates.File("server.pem"))
		ip := func(pod string) string { return kubectl(t, c, "get", "pod", pod, "-o", "jsonpath={.status.podIP}") }
		for _, p := range proxyPods() {
			if strings.Contains(p.config, "TINYPROXY") {
				p.config = strings.ReplaceAll(p.config, "TINYPROXY", ip("tinyproxy"))
			}
			apply(t, c, p.manifest(files))
			if said, err := c.Kubectl(t.Context(), "wait", "--for=condition=Ready", "--timeout=60s", "pod/"+p.name); err != nil {
				t.Fatalf("%v: %s\n%s", err, said, kubectl(t, c, "logs", "--tail=30", p.name))
			}
		}
		authority := mitmproxyAuthority(t, c)
		settings := fmt.Sprintf(`
upstreams:
  tinyproxy: {url: "http://tinyproxy:8888", in: cluster}
  squid: {url: "http://squid.default:3128", in: cluster}
  dante: {url: "socks5h://dante.default.svc:1080", in: cluster}
  zero: {url: "https://stunnel.default:8443", in: cluster, ca: %q, cert: %q, key: %q, server-name: localhost}
  by-address: {url: "http://%s:3128", via: zero}
  mitmproxy: {url: "http://%s@mitmproxy.default:8080", in: cluster}
  mitmproxy-third: {url: "http://%[5]s@%[6]s:8080", via: by-address}
  open: {url: "https://stunnel-open.default:8443", in: cluster, ca: %[1]q, server-name: localhost}
  no-login: {url: "http://mitmproxy.default:8080", in: cluster}
`, certificates.File("ca.crt"), certificates.File("client.crt"), certificates.File("client.key"), ip("squid"), farLogin, ip("mitmproxy"))
		through := func(t *testing.T, carrier, upstream string) *product {
			return serveWith(t, c, carrier, settings+"contexts: {demo: {outside: refuse, routes: [{to: ['*.corp.example', 203.0.113.0/24], via: "+upstream+"}]}}\n")
		}
		for _, carrier := range carriers {
			for _, name := range []string{"tinyproxy", "squid", "dante", "zero", "open", "by-address", "mitmproxy", "mitmproxy-third"} {
				t.Run(carrier+" "+name, func(t *testing.T) {
					p := through(t, carrier, name)
					for _, host := range []string{farName, farAddress} {
						for _, proxy := range []string{"http", "socks5h"} {
							if got := page(t, proxy+"://"+p.address, "http://"+host+":8080/conf"); got != farPage {
								t.Errorf("%s by %s: %s", host, proxy, got)
							}
						}
					}
					var group errgroup.Group
					for range 20 {
						group.Go(func() error {
							if got := page(t, "socks5h://"+p.address, "http://"+farName+":8080/conf"); got != farPage {
								return fmt.Errorf("many at once: %s", got)
							}
							return nil
						})
					}
					if err := group.Wait(); err != nil {
						t.Error(err)
					}
					if strings.HasPrefix(name, "mitmproxy") {
						testDecrypted(t, p, authority, certificates.File("ca.crt"))
						testRefused(t, p, farName+":9", "4", "Connect call failed")
					}
				})
			}
			t.Run(carrier+" no login", func(t *testing.T) {
				testRefused(t, through(t, carrier, "no-login"), farName+":8443", "1", "The upstream no-login (mitmproxy.default:8080) wants a user and a password")
			})
		}
	})
}

// farHost serves a page at farAddress, which only the node and its Pods reach.
func farHost(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(folder+"/conf", []byte(farPage), 0o644); err != nil {
		t.Fatal(err)
	}
	addAddress(t, c, farAddress)
	startInside(t, inside(t, c, "python3", "-m", "http.server", "--bind", farAddress, "--directory", folder, "8080"))
	awaitFar(t, c, "http://"+farAddress+":8080/conf")
}

// awaitFar waits until the far host serves a page, whatever its certificate is.
func awaitFar(t *testing.T, c *clustertest.Cluster, url string) {
	t.Helper()
	eventually(t, "the far host serves "+url, func() bool {
		return inside(t, c, "curl", "-sfk", "-m", "2", url).Run() == nil
	})
}

// addAddress gives the node another address.
func addAddress(t *testing.T, c *clustertest.Cluster, address string) {
	t.Helper()
	if said, err := inside(t, c, "ip", "address", "replace", address+"/32", "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
}

// inside returns a command in the cluster's namespaces.
func inside(t *testing.T, c *clustertest.Cluster, args ...string) *exec.Cmd {
	t.Helper()
	command, err := c.Inside(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return command
}

// startSelf starts the test program in the cluster's namespaces, with the environment variable that says what it serves.
func startSelf(t *testing.T, c *clustertest.Cluster, variable string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	server := inside(t, c, self)
	server.Env, server.Stderr = append(os.Environ(), variable), os.Stderr // it writes only why it ends
	startInside(t, server)
}

// startInside starts a server that inside returned, and kills it at the end of the test.
func startInside(t *testing.T, server *exec.Cmd) {
	t.Helper()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait() // it was killed
	})
}

// page asks for a page by curl, with more of its options, and returns what it got.
func page(t *testing.T, proxy, page string, options ...string) string {
	t.Helper()
	got, err := exec.CommandContext(t.Context(), "curl", append(options, "-sS", "--noproxy", "", "-m", "30", "-x", proxy, page)...).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%v: %s", err, got)
	}
	return string(got)
}
