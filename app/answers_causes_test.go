//go:build linux

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead/app/explain"
)

// An entry is where one context of a kubeconfig leads, in the kubeconfig's own form.
type entry struct {
	cluster   map[string]any
	user      map[string]any
	namespace string
}

// kubeconfigOf returns a kubeconfig with these contexts, each with a cluster and a user of its own.
func kubeconfigOf(entries map[string]entry) map[string]any {
	var contexts, clusters, users []any
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		e := entries[name]
		contexts = append(contexts, map[string]any{"name": name, "context": map[string]any{
			"cluster": name, "user": name, "namespace": e.namespace,
		}})
		clusters = append(clusters, map[string]any{"name": name, "cluster": e.cluster})
		users = append(users, map[string]any{"name": name, "user": e.user})
	}
	return map[string]any{"apiVersion": "v1", "kind": "Config", "contexts": contexts, "clusters": clusters, "users": users}
}

// entryOf returns a context of one of the test cluster's kubeconfigs.
func entryOf(t *testing.T, kubeconfig, context string) entry {
	t.Helper()
	var config struct {
		Clusters []struct{ Cluster map[string]any }
		Users    []struct{ User map[string]any }
		Contexts []struct{ Context struct{ Namespace string } }
	}
	raw := kubectl(t, "--kubeconfig", kubeconfig, "config", "view", "--raw", "--minify", "--context", context, "-o", "json")
	if err := json.Unmarshal([]byte(raw), &config); err != nil {
		t.Fatal(err)
	}
	return entry{config.Clusters[0].Cluster, config.Users[0].User, config.Contexts[0].Context.Namespace}
}

// with returns an entry with changed fields of its cluster and another user.
func (e entry) with(cluster, user map[string]any) entry {
	changed := map[string]any{}
	maps.Copy(changed, e.cluster)
	maps.Copy(changed, cluster)
	if user == nil {
		user = e.user
	}
	return entry{changed, user, e.namespace}
}

// causes returns the rows of the answers table, with the means to provoke them.
func (b *troubled) causes(t *testing.T) []cause {
	t.Helper()
	admin, alice := entryOf(t, cluster.Kubeconfig, "demo"), entryOf(t, cluster.Kubeconfig, "demo-team")
	server, _ := admin.cluster["server"].(string)
	server = server[len("https://"):]
	causes := append(b.names(t, admin), b.rights(t, alice)...)
	causes = append(causes, b.servers(t, admin, server)...)
	return append(causes, b.logins(t, admin)...)
}

// public returns what a web page sees of a cause, if that is not everything.
func (c cause) public() explain.Explanation {
	const more = "Fairlead's menu and “fairlead doctor” say more."
	e := c.want
	said, ok := map[string][2]string{
		"API server not reachable": {"The cluster's API server cannot be reached.", "Check the network connection or the VPN. " + more},
		"Cluster not trusted":      {"The cluster's API server is not trusted.", more},
		"Identity provider failed": {"Your login to the cluster cannot be renewed just now.", more},
		"Cannot be carried":        {"Fairlead cannot carry this connection.", more},
		"Nothing ready":            {e.Sentence, "Wait until it is ready, or look at the Pods: “kubectl get pods -n default”."},
		"Node's own network":       {"The Pod shares the network of its node: the connection would reach whatever listens on the node itself.", e.Hint},
	}[e.Title]
	switch {
	case strings.HasPrefix(e.Title, "Login"):
		said = [2]string{"The cluster does not accept your login, or there is none.", "Log in to the cluster again. " + more}
	case strings.HasSuffix(e.Sentence, "is this machine's loopback."):
		said = [2]string{"127.0.0.1:9 is not reachable through this proxy."}
	case strings.HasPrefix(e.Sentence, "Your login"):
		said = [2]string{"Your login may not do what the connection needs.", "Ask the cluster's administrator for the right. " + more}
	case !ok:
		said = [2]string{e.Sentence, e.Hint}
	}
	e.PublicSentence, e.PublicHint = said[0], said[1]
	return e
}

// names returns what can be wrong with the target, in a healthy cluster.
func (b *troubled) names(t *testing.T, admin entry) []cause {
	t.Helper()
	apply(t, `
apiVersion: v1
kind: Service
metadata: {name: udp-only}
spec: {selector: {app: hello}, ports: [{name: dns, protocol: UDP, port: 53}]}
---
apiVersion: v1
kind: Pod
metadata: {name: on-the-node, labels: {app: on-the-node}}
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 0
  containers: [{name: http, image: demo.local/http, imagePullPolicy: Never, ports: [{name: http, containerPort: 8080}]}]
---
apiVersion: v1
kind: Service
metadata: {name: on-the-node}
spec: {selector: {app: on-the-node}, ports: [{name: http, port: 80, targetPort: http}]}
`)
	waitReady(t, "on-the-node")
	const unavailable = "destination_unavailable"
	return []cause{
		{context: "no-service", entry: admin, host: "nobody.default", port: 80, want: explain.Explanation{
			Title: "No such Service", Sentence: "There is no Service nobody in namespace default.",
			Hint:   "Check the name: use SERVICE in the context's own namespace, or SERVICE.NAMESPACE.",
			SOCKS5: 4, SOCKS4: 91, Status: 502, ProxyStatus: "dns_error"}},
		{context: "no-namespace", entry: admin, host: "hello.nowhere", port: 80, want: explain.Explanation{
			Title: "No such namespace", Sentence: "There is no namespace nowhere in this cluster.",
			Hint:   "Check the name: use SERVICE.NAMESPACE or SERVICE.NAMESPACE.svc.",
			SOCKS5: 4, SOCKS4: 91, Status: 502, ProxyStatus: "dns_error"}},
		{context: "no-pod", entry: admin, host: "db-9.db.default.svc", port: 5432, want: explain.Explanation{
			Title: "No such Pod", Sentence: "There is no Pod db-9 in namespace default.", Hint: "It may have been replaced by another one.",
			SOCKS5: 4, SOCKS4: 91, Status: 502, ProxyStatus: "dns_error"}},
		{context: "no-short-pod", entry: admin, host: "db-9.db", port: 5432, want: explain.Explanation{
			Title: "No such Pod", Sentence: "There is no Pod db-9 in namespace default.", Hint: "It may have been replaced by another one.",
			SOCKS5: 4, SOCKS4: 91, Status: 502, ProxyStatus: "dns_error"}},
		{context: "no-name", entry: admin, host: "_echo._tcp.db.default.svc.cluster.local", port: 5432, want: explain.Explanation{
			Title:    "No such name",
			Sentence: "_echo._tcp.db.default.svc.cluster.local is the name of an SRV record, which says where a port is and has no address itself.",
			Hint:     "Ask for the Service: SERVICE.NAMESPACE.svc, with its port.",
			SOCKS5:   4, SOCKS4: 91, Status: 502, ProxyStatus: "dns_error"}},
		{context: "no-port", entry: admin, host: "multi.default", port: 81, want: explain.Explanation{
			Title: "No such port", Sentence: "Service default/multi has no TCP port 81; it has 80 (http), 7 (echo), 9000 (admin).",
			SOCKS5: 4, SOCKS4: 91, Status: 502, ProxyStatus: "destination_not_found"}},
		{context: "no-address", entry: admin, host: "10.96.255.254", port: 80, want: explain.Explanation{
			Title: "No such address", Sentence: "No Service and no Pod of this cluster has the address 10.96.255.254.",
			SOCKS5: 4, SOCKS4: 91, Status: 502, ProxyStatus: "destination_ip_unroutable"}},
		{context: "not-ready", entry: admin, host: "not-ready.default", port: 80, want: explain.Explanation{
			Title: "Nothing ready", Sentence: "The one Pod behind Service default/not-ready is not ready.",
			Hint:   "Wait until it is ready, or look at the Pods: “kubectl --context not-ready get pods -n default”.",
			SOCKS5: 4, SOCKS4: 91, Status: 503, ProxyStatus: unavailable}},
		{context: "refused", entry: admin, host: "refused.default", port: 80, want: explain.Explanation{
			Title: "Connection refused", Sentence: "Nothing is listening on port 7008 in Pod default/refused.",
			Hint:   "The program there may be down, or use another port. One that listens on the Pod's own address only, and not on its localhost, is reached on some nodes and not on others.",
			SOCKS5: 5, SOCKS4: 91, Status: 502, ProxyStatus: "connection_refused"}},
		{context: "udp", entry: admin, host: "udp-only.default", port: 53, want: explain.Explanation{
			Title: "Cannot be carried", Sentence: "Fairlead cannot carry this connection: port 53 of Service default/udp-only is UDP only.",
			SOCKS5: 4, SOCKS4: 91, Status: 502, ProxyStatus: "destination_not_found"}},
		{context: "this-machine", entry: admin, silent: true, host: "127.0.0.1", port: 9, want: explain.Explanation{
			Title: "Not allowed", Sentence: "127.0.0.1:9 is not reachable through this proxy: 127.0.0.1 is this machine's loopback.",
			SOCKS5: 2, SOCKS4: 91, Status: 403, ProxyStatus: "http_request_denied"}},
		{context: "no-outside", entry: admin, silent: true, host: "www.example.com", port: 443, want: explain.Explanation{
			Title: "Not allowed", Sentence: "www.example.com:443 is not reachable through this proxy: this context refuses hosts outside its cluster (outside: refuse, in the settings or the menu).",
			SOCKS5: 2, SOCKS4: 91, Status: 403, ProxyStatus: "http_request_denied"}},
		{context: "full", entry: admin, silent: true, full: true, host: "echo.default", port: 7, want: explain.Explanation{
			Title: "Too many connections", Sentence: "Too many connections are open.",
			Hint:   "Close some, or let this context have more in the settings: connections, below limits.",
			SOCKS5: 1, SOCKS4: 91, Status: 503, ProxyStatus: "connection_limit_reached"}},
		{context: "host-network", entry: admin, host: "on-the-node.default", port: 80, want: explain.Explanation{
			Title: "Node's own network", Sentence: "Pod default/on-the-node shares the network of its node node-1: the connection would reach whatever listens on the node itself.",
			Hint:   "If that is what you want, allow it for this context in the settings: host-network: true.",
			SOCKS5: 2, SOCKS4: 91, Status: 403, ProxyStatus: "http_request_denied"}},
		{context: "unknown-host", entry: admin, silent: true, host: "nobody.fairlead.invalid", port: 80, want: explain.Explanation{
			Title: "Name not found", Sentence: "No host is named nobody.fairlead.invalid.", Hint: "Check the name.",
			SOCKS5: 4, SOCKS4: 91, Status: 502, ProxyStatus: "dns_error"}},
	}
}

// rights returns what a user may not do.
func (b *troubled) rights(t *testing.T, alice entry) []cause {
	t.Helper()
	forbidden := explain.Explanation{Title: "Not allowed", SOCKS5: 2, SOCKS4: 91, Status: 403, ProxyStatus: "http_request_denied"}
	look, forward := forbidden, forbidden
	look.Sentence = "Your login may not get Services in namespace default."
	look.Hint = "Ask the cluster's administrator for the right to get services there."
	forward.Sentence = "Your login may not get and create pods/portforward in namespace team."
	forward.Hint = "Ask the cluster's administrator for the right to get and create pods/portforward there."
	return []cause{
		{context: "may-not-look", entry: alice, host: "hello.default", port: 80, want: look},
		{context: "may-not-forward", entry: entryOf(t, cluster.KubeconfigToken, "demo-reader"), host: "app", port: 80, want: forward},
	}
}

// servers returns what can be wrong with the API server, and what may answer in its place.
func (b *troubled) servers(t *testing.T, admin entry, server string) []cause {
	t.Helper()
	const host, port = "hello.default", 80
	// A Pod whose sessions fail stands for one on a node that cannot be reached.
	if err := cluster.Delay(t.Context(), "default/closes-first", time.Hour, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Heal(context.Background()); err != nil {
			t.Errorf("heal the cluster: %v", err)
		}
	})
	const closed = "127.0.0.1:1" // nothing listens there
	expired, authority := expiredServer(t)
	plain := plainServer(t)
	const inPlace = "The context's certificate authority may be out of date, or something on the way answers in the cluster's place."
	return []cause{
		{context: "timed-out", entry: admin, host: "closes-first.default", port: 7007, want: explain.Explanation{
			Title: "Timed out", Sentence: "closes-first.default:7007 did not answer in time.", Hint: "It may be overloaded, or something on the way drops the connection.",
			SOCKS5: 6, SOCKS4: 91, Status: 504, ProxyStatus: "connection_timeout"}},
		{context: "away", entry: admin.with(map[string]any{"server": "https://" + closed}, nil), host: host, port: port, want: explain.Explanation{
			Title: "API server not reachable", Sentence: "Nothing is listening at the API server's address " + closed + ".",
			Hint:   "The cluster may be stopped or may have moved to another address.",
			SOCKS5: 3, SOCKS4: 91, Status: 502, ProxyStatus: "destination_unavailable"}},
		{context: "unknown-server", entry: admin.with(map[string]any{"server": "https://api.fairlead.invalid:6443"}, nil), host: host, port: port, want: explain.Explanation{
			Title: "API server not reachable", Sentence: "The name of the API server api.fairlead.invalid:6443 is not known to this machine.",
			Hint:   "Check the network connection or the VPN.",
			SOCKS5: 3, SOCKS4: 91, Status: 502, ProxyStatus: "destination_unavailable"}},
		{context: "untrusted", entry: admin.with(map[string]any{"certificate-authority-data": authority}, nil), host: host, port: port, want: explain.Explanation{
			Title: "Cluster not trusted", Sentence: "The certificate of the API server " + server + " is not one that this context trusts.", Hint: inPlace,
			SOCKS5: 3, SOCKS4: 91, Status: 502, ProxyStatus: "tls_certificate_error"}},
		{context: "other-name", entry: admin.with(map[string]any{"tls-server-name": "api.example"}, nil), host: host, port: port, want: explain.Explanation{
			Title: "Cluster not trusted", Sentence: "The certificate of the API server " + server + " is for another name.", Hint: inPlace,
			SOCKS5: 3, SOCKS4: 91, Status: 502, ProxyStatus: "tls_certificate_error"}},
		{context: "expired", entry: admin.with(map[string]any{"server": "https://" + expired, "certificate-authority-data": authority}, nil), host: host, port: port, want: explain.Explanation{
			Title: "Cluster not trusted", Sentence: "The certificate of the API server " + expired + " has expired or is not valid yet.",
			Hint:   "The cluster's administrator has to renew it, unless this machine's clock is wrong.",
			SOCKS5: 3, SOCKS4: 91, Status: 502, ProxyStatus: "tls_certificate_error"}},
		{context: "no-tls", entry: admin.with(map[string]any{"server": "https://" + plain}, nil), host: host, port: port, want: explain.Explanation{
			Title: "Cluster not trusted", Sentence: "The API server " + plain + " answers, but not in TLS.",
			Hint:   "Something on the way may answer in the cluster's place.",
			SOCKS5: 3, SOCKS4: 91, Status: 502, ProxyStatus: "tls_protocol_error"}},
	}
}

// logins returns what can be wrong with the user's credentials.
func (b *troubled) logins(t *testing.T, admin entry) []cause {
	t.Helper()
	failing := filepath.Join(b.desktop.Home(), "failing-plugin")
	if err := os.WriteFile(failing, []byte("#!/bin/sh\necho 'the session has ended' >&2\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	run := func(command, mode string) map[string]any {
		return map[string]any{"exec": map[string]any{
			"apiVersion": "client.authentication.k8s.io/v1", "command": command, "interactiveMode": mode,
		}}
	}
	const host, port = "hello.default", 80
	told := explain.Explanation{SOCKS5: 1, SOCKS4: 91, Status: 502, ProxyStatus: "proxy_configuration_error"}
	saying := func(title, sentence, hint string) explain.Explanation {
		e := told
		e.Title, e.Sentence, e.Hint = title, sentence, hint
		return e
	}
	return []cause{
		{context: "login-refused", entry: admin.with(nil, map[string]any{"token": "ran-out-long-ago"}), host: host, port: port,
			want: saying("Login needed", "The cluster does not accept the login of context login-refused.",
				"The kubeconfig needs a new login: run the tool that wrote it again, or ask the cluster's administrator.")},
		{context: "provider-away", entry: admin.with(nil, map[string]any{"auth-provider": map[string]any{"name": "oidc", "config": map[string]any{
			"idp-issuer-url": "http://127.0.0.1:1/realm", "client-id": "fairlead", "refresh-token": "hunter2",
		}}}), host: host, port: port,
			want: saying("Identity provider failed",
				"The identity provider 127.0.0.1:1, which renews the login of context provider-away, cannot be reached: it refused the connection.",
				"Check that this machine reaches it: a VPN may be needed.")},
		{context: "plugin-missing", entry: admin.with(nil, run("fairlead-test-no-such-plugin", "Never")), host: host, port: port,
			want: saying("Login plugin missing",
				"The program fairlead-test-no-such-plugin, which logs in to context plugin-missing, was not found on this machine.",
				"Install it, or put its folder on the PATH that Fairlead is started with. It was looked for in "+
					explain.Plain(b.desktop.Getenv("PATH"), 240)+".")},
		{context: "plugin-failing", entry: admin.with(nil, run(failing, "Never")), host: host, port: port,
			want: saying("Login plugin failed",
				"The program failing-plugin, which logs in to context plugin-failing, failed: the session has ended.",
				"Run “kubectl version --context plugin-failing” in a terminal: it logs in, or says why it cannot.")},
		{context: "plugin-asking", entry: admin.with(nil, run(failing, "Always")), host: host, port: port,
			want: saying("Login needed",
				"The program failing-plugin, which logs in to context plugin-asking, wants a terminal to ask in, which it cannot have in the background.",
				"Run “kubectl version --context plugin-asking” in a terminal: it logs in, or says why it cannot.")},
		{context: "plugin-printing", entry: admin.with(nil, run("/bin/pwd", "Never")), host: host, port: port,
			want: saying("Login plugin failed",
				"The program pwd, which logs in to context plugin-printing, printed no credentials that Kubernetes understands.",
				"Run “kubectl version --context plugin-printing” in a terminal: it logs in, or says why it cannot.")},
	}
}

// plainServer starts a server that answers in HTTP where TLS is expected.
func plainServer(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// expiredServer starts a TLS server whose certificate expired an hour ago, and returns the authority that signed it, in
// PEM as in a kubeconfig.
func expiredServer(t *testing.T) (address string, authority []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "another authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(48 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "api"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(-time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	issue := func(template *x509.Certificate) []byte {
		der, err := x509.CreateCertificate(rand.Reader, template, ca, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // each client refuses the certificate, as it should
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{issue(leaf)}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issue(ca)})
}
