package kube

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"fairlead/build/clustertest"
	"fairlead/kube/fault"
)

// TestWhoseFaultItIs puts a front before a real API server. The front answers in its place, like nodes, proxies on the way
// and failing API servers.
func TestWhoseFaultItIs(t *testing.T) {
	cluster := clustertest.Start(t, clustertest.Options{})
	for name, test := range map[string]func(*testing.T, *clustertest.Cluster){
		"a kubelet's 401 is that node's":                       kubeletRefuses,
		"a node's trouble is its own":                          nodesTrouble,
		"another Pod is tried when a node fails":               anotherNode,
		"a 401 of the API server is the login's":               ownRefusal,
		"a proxy that checks logins speaks of the login":       proxyRefusesLogin,
		"a proxy that blocks port-forwards blocks the context": proxyBlocks,
		"Retry-After is obeyed":                                patience,
		"a decision that cannot be made is an error":           undecided,
		"another certificate authority is applied":             otherAuthority,
		"another token file is applied":                        otherTokenFile,
		"an expiry in the past is for the API server to judge": otherClock,
	} {
		t.Run(name, func(t *testing.T) { test(t, cluster) })
	}
}

// The fixtures' Service manual has one Pod, and web has several.
const (
	lone     = "manual:80"
	loneOpen = "pods/manual/portforward$"
)

// healthRecorder records the calls of Health.
type healthRecorder struct {
	mu  sync.Mutex
	all []error
}

func (h *healthRecorder) record(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, err)
}

// last returns the last call of Health; false if there was none.
func (h *healthRecorder) last() (err error, health bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.all) == 0 {
		return nil, false
	}
	return h.all[len(h.all)-1], true
}

// wantQuiet fails the test if Health was called.
func (h *healthRecorder) wantQuiet(t *testing.T) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, err := range h.all {
		if err != nil {
			t.Errorf("health: %v", err)
		}
	}
}

// openFront runs a Cluster through a front.
func openFront(t *testing.T, kubeconfig string) (*Cluster, *healthRecorder) {
	t.Helper()
	h := &healthRecorder{}
	c, err := Open(Config{Kubeconfig: kubeconfig, Context: "front", Health: h.record})
	if err != nil {
		t.Fatal(err)
	}
	run(t, c)
	return c, h
}

// wantPod fails the test unless a Pod whose name has the prefix answers at address.
func wantPod(t *testing.T, c *Cluster, address, prefix string) {
	t.Helper()
	if pod, err := ask(c, address); err != nil || !strings.HasPrefix(pod, prefix) {
		t.Errorf("%s: Pod %q, %v", address, pod, err)
	}
}

// execFront returns a user entry with a plugin that prints the front's token, and a function that returns how often it ran.
func execFront(t *testing.T, f *front, expires string) (user func(*clientcmdapi.AuthInfo), runs func() int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plugin")
	script := fmt.Sprintf("#!/bin/sh\necho run >> %s.runs\n", path) +
		`echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"` + f.token + `"` + expires + `}}'` + "\n"
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	user = func(u *clientcmdapi.AuthInfo) {
		*u = clientcmdapi.AuthInfo{Exec: &clientcmdapi.ExecConfig{
			Command: path, APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
		}}
	}
	return user, func() int {
		data, err := os.ReadFile(path + ".runs")
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return strings.Count(string(data), "run")
	}
}

func kubeletRefuses(t *testing.T, cluster *clustertest.Cluster) {
	f := newFront(t, cluster)
	user, runs := execFront(t, f, "")
	c, health := openFront(t, f.kubeconfig(t, user))
	f.obey(rule{path: regexp.MustCompile(loneOpen), times: -1, status: 401, header: text(), body: "Unauthorized"})
	for range 8 {
		var node *fault.Node
		if _, err := ask(c, lone); !errors.As(err, &node) || node.Problem != fault.NodeRefuses || node.Node != "node-1" || node.Pod != "manual" {
			t.Errorf("%T %v", err, err)
		}
		wantPod(t, c, "web:80", "default/web-")
	}
	if n := runs(); n != 1 {
		t.Errorf("the plugin ran %d times", n)
	}
	health.wantQuiet(t)
}

func nodesTrouble(t *testing.T, cluster *clustertest.Cluster) {
	status := func(code int, message string) rule {
		return rule{status: code, header: object(), body: fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","message":%q,"code":%d}`, message, code)}
	}
	plain := func(code int, body string) rule { return rule{status: code, header: text(), body: body} }
	for name, c := range map[string]struct {
		answer rule
		want   fault.NodeProblem
	}{
		"out of reach": {status(500, "error dialing backend: dial tcp 192.0.2.7:10250: connect: no route to host"), fault.NodeUnreachable},
		"virtual":      {plain(501, "501 not implemented"), fault.NodeUnable},
		"without it":   {plain(404, "404 request not found"), fault.NodeUnable},
		"a stranger":   {plain(403, "Forbidden (user=kube-apiserver, verb=create, resource=nodes, subresource(s)=[proxy])"), fault.NodeRefuses},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFront(t, cluster)
			cl, health := openFront(t, f.kubeconfig(t, nil))
			answer := c.answer
			answer.path, answer.times = regexp.MustCompile(loneOpen), -1
			f.obey(answer)
			for range 2 {
				var node *fault.Node
				if _, err := ask(cl, lone); !errors.As(err, &node) || node.Problem != c.want || node.Node != "node-1" {
					t.Errorf("%T %v", err, err)
				}
				wantPod(t, cl, "web:80", "default/web-")
			}
			health.wantQuiet(t)
		})
	}
}

// All Pods of a Service but one are on a node that cannot be reached.
func anotherNode(t *testing.T, cluster *clustertest.Cluster) {
	f := newFront(t, cluster)
	c, health := openFront(t, f.kubeconfig(t, nil))
	pods := strings.Fields(field(t, cluster, ".items[*].metadata.name", "pods", "-l", "app=web"))
	if len(pods) < 2 {
		t.Fatalf("Pods %q", pods)
	}
	for _, pod := range pods[1:] {
		f.obey(rule{path: regexp.MustCompile("pods/" + pod + "/portforward$"), times: -1, status: 500, header: object(),
			body: `{"kind":"Status","message":"error dialing backend: dial tcp 192.0.2.7:10250: i/o timeout","code":500}`})
	}
	for range 12 {
		wantPod(t, c, "web:80", "default/"+pods[0])
	}
	// Each is tried once, perhaps with two spare sessions, and then after the others.
	for _, pod := range pods[1:] {
		if n := f.count("POST", "pods/"+pod+"/portforward$") + f.count("GET", "pods/"+pod+"/portforward$"); n > 3 {
			t.Errorf("Pod %s was tried %d times", pod, n)
		}
	}
	health.wantQuiet(t)
}

func ownRefusal(t *testing.T, cluster *clustertest.Cluster) {
	f := newFront(t, cluster)
	user, runs := execFront(t, f, "")
	c, health := openFront(t, f.kubeconfig(t, user))
	wantPod(t, c, "web:80", "default/web-")
	f.obey(rule{path: regexp.MustCompile("."), times: -1, status: 401, header: object(),
		body: `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}`})
	waitFor(t, "the plugin to be run again", func() bool {
		_, err := ask(c, lone)
		return errors.As(err, new(*fault.Login)) && runs() > 1
	})
	if err, _ := health.last(); !errors.As(err, new(*fault.Login)) {
		t.Errorf("health: %v", err)
	}
}

// It answers port-forwards and questions without a Kubernetes Status.
func proxyRefusesLogin(t *testing.T, cluster *clustertest.Cluster) {
	f := newFront(t, cluster)
	c, health := openFront(t, f.kubeconfig(t, nil))
	page := rule{path: regexp.MustCompile(loneOpen), times: -1, status: 401, header: http.Header{"Content-Type": {"text/html"}}, body: "<html>sign in</html>"}
	f.obey(page)
	if _, err := ask(c, lone); !errors.As(err, new(*fault.Blocked)) {
		t.Errorf("a port-forward alone: %T %v", err, err)
	}
	page.path = regexp.MustCompile(".")
	f.obey(page)
	c.dialer.trustLoginFor = 0 // as if the last question was long ago
	if _, err := ask(c, lone); !errors.As(err, new(*fault.Login)) {
		t.Errorf("a name that is known: %T %v", err, err)
	}
	if _, err := ask(c, "hello:80"); !errors.As(err, new(*fault.Login)) {
		t.Errorf("a new name: %T %v", err, err)
	}
	if err, _ := health.last(); !errors.As(err, new(*fault.Login)) {
		t.Errorf("health: %v", err)
	}
}

func proxyBlocks(t *testing.T, cluster *clustertest.Cluster) {
	f := newFront(t, cluster)
	c, health := openFront(t, f.kubeconfig(t, nil))
	f.obey(rule{path: regexp.MustCompile("/portforward$"), times: -1, status: 403, header: text(), body: "this proxy passes no such upgrade"})
	var blocked *fault.Blocked
	if _, err := ask(c, lone); !errors.As(err, &blocked) || blocked.Status != 403 {
		t.Errorf("%T %v", err, err)
	}
	if err := c.Check(t.Context()); err != nil {
		t.Errorf("a question: %v", err)
	}
	// The success of questions does not mean that the next connection succeeds.
	if err, _ := health.last(); !errors.As(err, new(*fault.Blocked)) {
		t.Errorf("health: %v", err)
	}
	f.pass()
	wantPod(t, c, lone, "default/manual")
	if err, _ := health.last(); err != nil {
		t.Errorf("health in the end: %v", err)
	}
}

func patience(t *testing.T, cluster *clustertest.Cluster) {
	f := newFront(t, cluster)
	c, health := openFront(t, f.kubeconfig(t, nil))
	wait := func(seconds string, header http.Header) http.Header {
		header.Set("Retry-After", seconds)
		return header
	}
	for name, r := range map[string]rule{
		"a question, too many": {path: regexp.MustCompile("services/manual$"), status: 429, header: wait("1", text()), body: "slow down"},
		"a question, not ready": {path: regexp.MustCompile("endpointslices$"), status: 503, header: wait("1", object()),
			body: `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"ServiceUnavailable","code":503}`},
		"an upgrade, too many":  {path: regexp.MustCompile(loneOpen), method: "POST", status: 429, header: wait("1", text()), body: "slow down"},
		"an upgrade, not ready": {path: regexp.MustCompile(loneOpen), method: "POST", status: 503, header: wait("1", object()), body: `{"kind":"Status","code":503}`},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFront(t, cluster)
			c, health := openFront(t, f.kubeconfig(t, nil))
			r.times = -1
			f.obey(r)
			begin := time.Now()
			time.AfterFunc(500*time.Millisecond, f.pass)
			wantPod(t, c, lone, "default/manual")
			if took := time.Since(begin); took < time.Second {
				t.Errorf("after %v", took)
			}
			health.wantQuiet(t)
		})
	}

	// A pause that is too long is not waited for, and is reported.
	f.obey(rule{path: regexp.MustCompile("services/"), times: -1, status: 429, header: wait("600", text())})
	begin := time.Now()
	var busy *fault.Busy
	if _, err := ask(c, "web:80"); !errors.As(err, &busy) || busy.After != 10*time.Minute || busy.Status != 429 {
		t.Errorf("%v", err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("said after %v", took)
	}
	if err, _ := health.last(); !errors.As(err, new(*fault.Unreachable)) {
		t.Errorf("health: %v", err)
	}
}

func undecided(t *testing.T, cluster *clustertest.Cluster) {
	f := newFront(t, cluster)
	c, _ := openFront(t, f.kubeconfig(t, nil))
	f.obey(rule{path: regexp.MustCompile("services/app$"), times: 1, status: 429, header: http.Header{"Retry-After": {"1"}}})
	if claimed, err := inCluster(t.Context(), c, "app.team"); !claimed || err != nil {
		t.Errorf("after a pause: %t, %v", claimed, err)
	}
	f.obey(rule{path: regexp.MustCompile("services"), times: -1, status: 503, header: text(), body: "no"})
	for _, host := range []string{"web.dev", "10.66.6.6"} {
		for range 3 {
			if claimed, err := inCluster(t.Context(), c, host); claimed || !errors.As(err, new(*fault.Unreachable)) {
				t.Errorf("%s without an answer: %t, %v", host, claimed, err)
			}
		}
	}
	if claimed, err := inCluster(t.Context(), c, "app.team"); !claimed || err != nil {
		t.Errorf("what was decided before: %t, %v", claimed, err)
	}
}

func otherAuthority(t *testing.T, cluster *clustertest.Cluster) {
	f := newFront(t, cluster)
	c, health := openFront(t, f.kubeconfig(t, nil))
	wantPod(t, c, "web:80", "default/web-")
	authority := f.renew(t)
	// No connection can be made now. Health reports that with the first failure, until it is over.
	waitFor(t, "a connection to need a new one to the API server", func() bool {
		f.CloseClientConnections()
		_, err := ask(c, lone)
		return errors.As(err, new(*fault.Unreachable))
	})
	for range 3 {
		if err, _ := health.last(); !errors.As(err, new(*fault.Unreachable)) {
			t.Errorf("health: %v", err)
		}
		if _, err := ask(c, lone); !errors.As(err, new(*fault.Unreachable)) {
			t.Errorf("%v", err)
		}
	}
	f.writeAuthority(t, authority)
	begin := time.Now()
	waitFor(t, "the other authority", func() bool {
		err, _ := health.last()
		return err == nil
	})
	wantPod(t, c, lone, "default/manual")
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("applied after %v", took)
	}
	// And once more, without a question meanwhile: every change of the file counts, not only the first.
	f.writeAuthority(t, f.renew(t))
	waitFor(t, "the third authority", func() bool {
		f.CloseClientConnections()
		pod, err := ask(c, lone)
		return err == nil && pod == "default/manual"
	})
}

func otherTokenFile(t *testing.T, cluster *clustertest.Cluster) {
	f := newFront(t, cluster)
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("no-such-token")
	c, health := openFront(t, f.kubeconfig(t, func(u *clientcmdapi.AuthInfo) { *u = clientcmdapi.AuthInfo{TokenFile: file} }))
	if _, err := ask(c, lone); !errors.As(err, new(*fault.Login)) {
		t.Errorf("%v", err)
	}
	write(f.token)
	waitFor(t, "the other token", func() bool {
		_, err := ask(c, lone)
		return err == nil
	})
	if err, _ := health.last(); err != nil {
		t.Errorf("health: %v", err)
	}
}

func otherClock(t *testing.T, cluster *clustertest.Cluster) {
	f := newFront(t, cluster)
	user, runs := execFront(t, f, `,"expirationTimestamp":"2020-01-01T00:00:00Z"`)
	c, health := openFront(t, f.kubeconfig(t, user))
	for range 3 {
		wantPod(t, c, lone, "default/manual")
	}
	if n := runs(); n != 1 {
		t.Errorf("the plugin ran %d times", n)
	}
	health.wantQuiet(t)

	f.token = "no-such-token"
	user, _ = execFront(t, f, `,"expirationTimestamp":"2020-01-01T00:00:00Z"`)
	refused, _ := openFront(t, f.kubeconfig(t, user))
	var login *fault.Login
	if _, err := ask(refused, lone); !errors.As(err, &login) || login.Cause != fault.LoginExpired || login.Plugin == "" {
		t.Errorf("a token that the API server does not accept: %v", err)
	}
}
