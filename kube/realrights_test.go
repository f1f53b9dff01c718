package kube

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"fairlead/build/clustertest"
	"fairlead/kube/fault"
)

func oneNamespace(t *testing.T, cluster *clustertest.Cluster) {
	c := openReal(t, cluster.Kubeconfig, "demo-team")
	if c.Namespace() != "team" {
		t.Errorf("namespace %s", c.Namespace())
	}
	if err := c.Check(t.Context()); err != nil {
		t.Errorf("Check: %v", err)
	}
	serviceIP := field(t, cluster, ".spec.clusterIP", "service", "app", "-n", "team")
	podIP := field(t, cluster, ".items[0].status.podIP", "pods", "-n", "team", "-l", "app=app")
	dashed := strings.ReplaceAll(podIP, ".", "-")
	for _, address := range []string{
		"app:80", "app.team:80", "app.team.svc.cluster.local:80", serviceIP + ":80", podIP + ":8080", dashed + ".team.pod:8080",
	} {
		if pod, err := ask(c, address); err != nil || !strings.HasPrefix(pod, "team/app-") {
			t.Errorf("%s: Pod %q, %v", address, pod, err)
		}
	}
	var forbidden *fault.Forbidden
	if err := dial(t, c, "hello.default:80"); !errors.As(err, &forbidden) {
		t.Errorf("another namespace: %v", err)
	} else if !slices.Equal(forbidden.Verbs, []string{"get"}) && !slices.Equal(forbidden.Verbs, []string{"list"}) || forbidden.Namespace != "default" {
		t.Errorf("%+v", forbidden)
	}
	other := field(t, cluster, ".spec.clusterIP", "service", "hello")
	var absent *fault.NotFound
	if err := dial(t, c, other+":80"); !errors.As(err, &absent) || absent.Kind != fault.Address {
		t.Errorf("another namespace's address: %v", err)
	}
	var missing *fault.NotFound
	if err := dial(t, c, "lost:80"); !errors.As(err, &missing) || missing.Kind != fault.Service {
		t.Errorf("no such Service: %v", err)
	}
}

func createOnly(t *testing.T, cluster *clustertest.Cluster) {
	c := openReal(t, cluster.KubeconfigToken, "demo-token")
	if pod, err := ask(c, "app:80"); err != nil || !strings.HasPrefix(pod, "team/app-") {
		t.Errorf("Pod %q, %v", pod, err)
	}
}

func noForwarding(t *testing.T, cluster *clustertest.Cluster) {
	c := openReal(t, cluster.KubeconfigToken, "demo-reader")
	_, err := openedDial(c)(t.Context(), "tcp", "app:80")
	var forbidden *fault.Forbidden
	if !errors.As(err, &forbidden) || forbidden.Resource != "pods/portforward" || forbidden.Namespace != "team" ||
		!slices.Contains(forbidden.Verbs, "get") || !slices.Contains(forbidden.Verbs, "create") {
		t.Errorf("%v", err)
	}
}

func refusedLogin(t *testing.T, cluster *clustertest.Cluster) {
	config, _, err := restConfig(cluster.Kubeconfig, "demo")
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, config.CAData, 0o600); err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(t.TempDir(), "config")
	content := fmt.Sprintf(`
clusters: [{name: c, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: u, user: {token: s3cret-and-wrong}}]
contexts: [{name: stale, context: {cluster: c, user: u}}]
`, config.Host, ca)
	if err := os.WriteFile(kubeconfig, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	c := openReal(t, kubeconfig, "stale")
	for what, err := range map[string]error{"dial": dial(t, c, "hello:80"), "Check": c.Check(t.Context())} {
		var login *fault.Login
		if !errors.As(err, &login) || login.Context != "stale" || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// onlyItsNamespace reads in the audit log that names cause no request outside the namespace that the user has rights in.
func onlyItsNamespace(t *testing.T, cluster *clustertest.Cluster) {
	c := openReal(t, cluster.Kubeconfig, "demo-team")
	before := len(audited(t, cluster, "alice"))
	if err := c.Check(t.Context()); err != nil {
		t.Errorf("Check: %v", err)
	}
	podIP := field(t, cluster, ".items[0].status.podIP", "pods", "-n", "team", "-l", "app=app")
	pod := field(t, cluster, ".items[0].metadata.name", "pods", "-n", "team", "-l", "app=app")
	for _, address := range []string{
		"app:80", "app.team:80", "app.team.svc:80", "app.team.svc.cluster.local:80", pod + ".app.team.svc:8080",
		pod + ".team.pod:8080", strings.ReplaceAll(podIP, ".", "-") + ".team.pod:8080",
	} {
		host, _, _ := strings.Cut(address, ":")
		if !claims(t, c, host) {
			t.Errorf("%s is not claimed", host)
		}
		if got, err := ask(c, address); err != nil || got != "team/"+pod {
			t.Errorf("%s: Pod %q, %v", address, got, err)
		}
	}
	for _, address := range []string{"lost:80", "app:81", pod + "-x.team.pod:8080", "lost.app.team.svc:80"} {
		if err := dial(t, c, address); !errors.As(err, new(*fault.NotFound)) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if list, err := c.Services(t.Context(), "team"); err != nil || len(list) == 0 {
		t.Errorf("Services: %v, %v", list, err)
	}
	var last string
	waitFor(t, "the audit log", func() bool {
		uris := audited(t, cluster, "alice")[before:]
		last = strings.Join(uris, "\n")
		return strings.Contains(last, "lost")
	})
	reviews := 0
	for _, uri := range audited(t, cluster, "alice")[before:] {
		switch {
		case strings.HasSuffix(uri, "/selfsubjectaccessreviews"):
			reviews++
		case uri == "/version", strings.HasPrefix(uri, "/api/v1/namespaces/team/"), uri == "/api/v1/namespaces/team",
			strings.HasPrefix(uri, "/apis/discovery.k8s.io/v1/namespaces/team/"):
		default:
			t.Errorf("asked %s", uri)
		}
	}
	if reviews == 0 {
		t.Error("the log shows no review of the user's own rights, and so not all that was asked")
	}
}

// barely has the minimum rights for the name of a Service, without the right to get Pods.
const barely = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: barely, namespace: team}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: barely, namespace: team}
rules:
- {apiGroups: [""], resources: [services], verbs: [get]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list]}
- {apiGroups: [""], resources: [pods/portforward], verbs: [get, create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: barely, namespace: team}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: barely}
subjects: [{kind: ServiceAccount, name: barely, namespace: team}]
`

func leastRights(t *testing.T, cluster *clustertest.Cluster) {
	apply := cluster.KubectlCommand(t.Context(), "apply", "-f", "-")
	apply.Stdin = strings.NewReader(barely)
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("kubectl apply: %v: %s", err, out)
	}
	token := strings.TrimSpace(kubectl(t, cluster, "create", "token", "barely", "-n", "team"))
	c := openReal(t, withToken(t, cluster, "barely", "team", token), "barely")
	pod := field(t, cluster, ".items[0].metadata.name", "pods", "-n", "team", "-l", "app=app")
	for _, address := range []string{"app:80", "app.team.svc:80", "app:80", pod + ".app.team.svc:8080", pod + ".team.pod:8080"} {
		if got, err := ask(c, address); err != nil || got != "team/"+pod {
			t.Errorf("%s: Pod %q, %v", address, got, err)
		}
	}
	service := field(t, cluster, ".spec.clusterIP", "service", "app", "-n", "team")
	if got, err := ask(c, service+":80"); err != nil || got != "team/"+pod {
		t.Errorf("an address that was seen: Pod %q, %v", got, err)
	}
	var forbidden *fault.Forbidden
	if err := dial(t, c, "10.96.250.250:80"); !errors.As(err, &forbidden) || !slices.Equal(forbidden.Verbs, []string{"list"}) ||
		forbidden.Namespace != "team" {
		t.Errorf("an address that may not be looked for: %v", err)
	}
	if claims(t, c, "10.96.250.250") {
		t.Error("an address that may not be looked for is claimed")
	}
	looks := 0
	for _, uri := range audited(t, cluster, "system:serviceaccount:team:barely") {
		if strings.HasPrefix(uri, "/api/v1/namespaces/team/pods/"+pod) && !strings.Contains(uri, "/portforward") {
			looks++
		}
	}
	if looks > 2 { // one for its network, one for its name
		t.Errorf("looked at the Pod %d times, though that is forbidden", looks)
	}
}

// withToken writes a kubeconfig with one context that logs in by a token, and returns its path.
func withToken(t *testing.T, cluster *clustertest.Cluster, name, namespace, token string) string {
	t.Helper()
	config, _, err := restConfig(cluster.Kubeconfig, "demo")
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, config.CAData, 0o600); err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(t.TempDir(), "config")
	content := fmt.Sprintf(`
clusters: [{name: c, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: u, user: {token: %q}}]
contexts: [{name: %s, context: {cluster: c, user: u, namespace: %q}}]
`, config.Host, ca, token, name, namespace)
	if err := os.WriteFile(kubeconfig, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return kubeconfig
}

// fewRequestsBeforeADial reads in the audit log that a name that other networks may have costs no more requests than others: the
// answer by which its Service is found serves the dial as well. The Service whose Pod it may be is another question.
func fewRequestsBeforeADial(t *testing.T, cluster *clustertest.Cluster) {
	c := openReal(t, cluster.Kubeconfig, "demo-team")
	before := len(audited(t, cluster, "alice"))
	host, err := c.Lookup(t.Context(), "app.team")
	if err != nil || !host.InCluster {
		t.Fatalf("%+v, %v", host, err)
	}
	conn, err := host.DialContext(t.Context(), "tcp", "app.team:80")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var lookups, others []string
	waitFor(t, "the audit log", func() bool {
		lookups, others = nil, nil
		for _, uri := range audited(t, cluster, "alice")[before:] {
			path, query, _ := strings.Cut(uri, "?")
			if strings.Contains(query, "watch=true") || strings.Contains(path, "/pods/") {
				others = append(others, uri)
			} else {
				lookups = append(lookups, path)
			}
		}
		return slices.ContainsFunc(others, func(uri string) bool { return strings.Contains(uri, "watch=true") })
	})
	slices.Sort(lookups)
	want := []string{
		"/api/v1/namespaces/team/services/app", "/api/v1/namespaces/team/services/team",
		"/apis/discovery.k8s.io/v1/namespaces/team/endpointslices",
	}
	if !slices.Equal(lookups, want) {
		t.Errorf("it asked %q, want %q; and %q", lookups, want, others)
	}
}

// fewRequests reads the API server's audit log, which misses no request. Besides the two requests for a name there are a
// question whether the Pod is on its node's network, next to the dial of its first session, and a watch of the Service.
func fewRequests(t *testing.T, cluster *clustertest.Cluster) {
	c := openReal(t, cluster.Kubeconfig, "demo-team")
	before := len(audited(t, cluster, "alice"))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := ask(c, "app:80"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var lookups []string
	looks, watches := 0, 0
	waitFor(t, "the audit log", func() bool {
		lookups = lookups[:0]
		forwards := 0
		looks, watches = 0, 0
		for _, uri := range audited(t, cluster, "alice")[before:] {
			if strings.Contains(uri, "/portforward") {
				forwards++
			} else if strings.Contains(uri, "/namespaces/team/pods/") {
				looks++
			} else if strings.Contains(uri, "&watch=true") {
				watches++
			} else {
				lookups = append(lookups, uri)
			}
		}
		return forwards > 0 && len(lookups) >= 2 && watches > 0
	})
	if len(lookups) != 2 || looks > 1 || watches != 1 {
		t.Errorf("20 connections asked %q, looked at %d Pods, and made %d watches", lookups, looks, watches)
	}
	for _, uri := range lookups {
		if !strings.Contains(uri, "/namespaces/team/") {
			t.Errorf("asked beyond the namespace: %s", uri)
		}
	}
}

// audited returns the URIs of a user's requests to the API server through this package.
func audited(t *testing.T, cluster *clustertest.Cluster, user string) (uris []string) {
	t.Helper()
	file, err := os.Open(filepath.Join(cluster.State, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	seen := map[string]bool{}
	for lines := bufio.NewScanner(bufio.NewReaderSize(file, 1<<20)); lines.Scan(); {
		var event struct {
			AuditID, RequestURI, UserAgent string
			User                           struct{ Username string }
		}
		if json.Unmarshal(lines.Bytes(), &event) != nil || event.User.Username != user || seen[event.AuditID] {
			continue // the last line may be incomplete
		}
		seen[event.AuditID] = true
		uri, err := url.QueryUnescape(event.RequestURI)
		if err != nil || !strings.HasPrefix(event.UserAgent, "fairlead/") {
			t.Errorf("%q asks %q", event.UserAgent, event.RequestURI)
		}
		uris = append(uris, uri)
	}
	return uris
}
