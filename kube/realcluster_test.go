package kube

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/build/clustertest"
	"fairlead/kube/fault"
)

// TestOnARealCluster tests names, rights and failures with a real API server and its port-forward.
func TestOnARealCluster(t *testing.T) {
	cluster := clustertest.Start(t, clustertest.Options{Audit: true})
	for name, test := range map[string]func(*testing.T, *clustertest.Cluster){
		"every form of a name leads to its Pod":              everyForm,
		"every kind of Service and address":                  everyKind,
		"every record of the cluster's DNS":                  everyRecord,
		"a cluster opens without a kubeconfig":               withoutKubeconfig,
		"another carrier takes its place":                    anotherCarrier,
		"a policy allows more":                               allowedByPolicy,
		"a short name is a Service's or a Pod's":             shortNames,
		"the cluster's ranges are its own":                   realRanges,
		"the catalogue lists what may be seen":               catalogue,
		"names lead nowhere beyond their namespace":          onlyItsNamespace,
		"the least rights suffice":                           leastRights,
		"a rollout loses no request":                         rollout,
		"a Pod that refuses is passed over for another":      secondEndpoint,
		"missing objects are reported":                       wrongTargets,
		"ready endpoints share the connections":              spread,
		"a refused port is refused and hurts no other":       refusedPort,
		"rights in one namespace suffice for it":             oneNamespace,
		"the right to create a port-forward suffices":        createOnly,
		"a missing right is reported":                        noForwarding,
		"a login that is refused is a login failure":         refusedLogin,
		"a first connection costs two requests and a stream": fewRequests,
		"a Lookup before a dial costs no request twice":      fewRequestsBeforeADial,
		"a name the Internet may have is asked for":          doubtfulNames,
		"a Pod that is replaced is replaced here":            replacedPod,
		"a Pod's name does not pass its network on":          replacedOnHost,
		"a Pod that is not ready any more gets nothing":      unready,
		"a member that is replaced is there at once":         replacedMember,
		"Pods that are all deleted are followed at once":     allDeleted,
		"a Pod that lost its labels may still answer":        lostLabels,
		"what a deleted Pod did not answer ends soon":        deletedUnanswered,
		"a Service in use is watched once":                   watchedOnce,
		"a Service that may not be watched is polled":        unwatched,
		"a watch that begins too late begins again":          tooOld,
		"a watch that is cut is made again":                  cutWatch,
		"a watch goes through a middlebox":                   throughMiddlebox,
	} {
		t.Run(name, func(t *testing.T) { test(t, cluster) })
	}
}

// openReal runs a Cluster with a context of the real cluster.
func openReal(t *testing.T, kubeconfig, context string) *Cluster {
	t.Helper()
	c, err := Open(Config{Kubeconfig: kubeconfig, Context: context, Health: func(err error) {
		if err != nil && !errors.As(err, new(*fault.Login)) {
			t.Errorf("health: %v", err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, c)
	return c
}

// ask sends a request to the web server at address, and returns the Pod that answered, as "namespace/name".
func ask(c *Cluster, address string) (pod string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return askWithin(ctx, c, address)
}

// askWithin does what ask does, until ctx ends.
func askWithin(ctx context.Context, c *Cluster, address string) (pod string, err error) {
	transport := &http.Transport{DialContext: openedDial(c), DisableKeepAlives: true}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return "", err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return "", err
	}
	return response.Header.Get("X-Pod"), nil
}

// openedDial returns a dial function that waits until the connection's target has answered, as a proxy does before it
// reports success to its client.
func openedDial(c *Cluster) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := c.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if unconfirmed, ok := conn.(interface{ Opened(context.Context) error }); ok {
			if err := unconfirmed.Opened(ctx); err != nil {
				conn.Close()
				return nil, err
			}
		}
		return conn, nil
	}
}

// field reads one field of an object in the real cluster.
func field(t *testing.T, cluster *clustertest.Cluster, path string, object ...string) string {
	t.Helper()
	out, err := cluster.Kubectl(t.Context(), append([]string{"get", "-o", "jsonpath={" + path + "}"}, object...)...)
	if err != nil {
		t.Fatalf("kubectl get %v: %v: %s", object, err, out)
	}
	return string(out)
}

func everyForm(t *testing.T, cluster *clustertest.Cluster) {
	c := openReal(t, cluster.Kubeconfig, "demo")
	serviceIP := field(t, cluster, ".spec.clusterIP", "service", "web")
	podIP := field(t, cluster, ".status.podIP", "pod", "manual")
	dashed := strings.ReplaceAll(podIP, ".", "-")
	for address, pod := range map[string]string{
		"hello:80":                                "default/hello-",
		"HELLO:80":                                "default/hello-",
		"hello.default:80":                        "default/hello-",
		"hello.default.svc:80":                    "default/hello-",
		"hello.default.svc.cluster.local:80":      "default/hello-",
		"hello.default.svc.cluster.local.:80":     "default/hello-",
		"Hello.Default.SVC.any.domain.example:80": "default/hello-",
		"app.team:80":                             "team/app-",
		"app.team.svc:80":                         "team/app-",
		"web:80":                                  "default/web-",
		serviceIP + ":80":                         "default/web-",
		"[::ffff:" + serviceIP + "]:80":           "default/web-",
		podIP + ":8080":                           "default/manual",
		dashed + ".default.pod:8080":              "default/manual",
		"manual:80":                               "default/manual",
		"multi:80":                                "default/multi-",
		"multi:9000":                              "default/multi-",
	} {
		if got, err := ask(c, address); err != nil || !strings.HasPrefix(got, pod) {
			t.Errorf("%s: Pod %q, %v; want %s…", address, got, err, pod)
		}
	}
	for _, address := range []string{"echo:7", "multi:7", "db:5432", "db-1.db.default.svc.cluster.local:5432"} {
		conn, err := openedDial(c)(t.Context(), "tcp", address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		fmt.Fprintln(conn, address)
		if line, err := bufio.NewReader(conn).ReadString('\n'); line != address+"\n" {
			t.Errorf("%s: echo %q, %v", address, line, err)
		}
		conn.Close()
	}
}

func wrongTargets(t *testing.T, cluster *clustertest.Cluster) {
	c := openReal(t, cluster.Kubeconfig, "demo")
	for address, want := range map[string]error{
		"lost:80":               &fault.NotFound{Kind: fault.Service, Name: "lost", Namespace: "default"},
		"lost.team.svc:80":      &fault.NotFound{Kind: fault.Service, Name: "lost", Namespace: "team"},
		"helo:80":               &fault.NotFound{Kind: fault.Service, Name: "helo", Namespace: "default", Near: []string{"hello"}},
		"hello.nowhere:80":      &fault.NotFound{Kind: fault.Namespace, Name: "nowhere"},
		"hello:8080":            &fault.NotFound{Kind: fault.Port, Name: "8080", Namespace: "default", Service: "hello", Has: []string{"80 (http)"}},
		"multi:1":               &fault.NotFound{Kind: fault.Port, Name: "1", Namespace: "default", Service: "multi", Has: []string{"80 (http)", "7 (echo)", "9000 (admin)"}},
		"not-ready:80":          &fault.NoEndpoints{Service: "not-ready", Namespace: "default", NotReady: 1},
		"external:80":           &fault.Unsupported{What: "Service default/external leads to 192.0.2.10:8080, which is no Pod"},
		"10.96.255.254:80":      &fault.NotFound{Kind: fault.Address, Name: "10.96.255.254"},
		"10.244.255.254:80":     &fault.NotFound{Kind: fault.Address, Name: "10.244.255.254"},
		"db-9.db.default.svc:5": &fault.NotFound{Kind: fault.Pod, Name: "db-9", Namespace: "default"},
		"www.example.com:80":    &fault.NotFound{Kind: fault.Address, Name: "www.example.com"},
	} {
		err := dial(t, c, address)
		if err == nil {
			t.Errorf("%s: no error", address)
			continue
		}
		resolved, dialled := strings.TrimPrefix(fmt.Sprint(c.Resolve(t.Context(), address)), "resolve "), strings.TrimPrefix(err.Error(), "dial ")
		if leavesCluster := address == "www.example.com:80" || address == "external:80"; leavesCluster {
			dialled = fmt.Sprint(nil) // what is there is not the cluster's to know
		}
		if resolved != dialled {
			t.Errorf("%s resolves with %s, and is dialled with %s", address, resolved, dialled)
		}
		// All fields of the fault are compared, in printed form.
		inner := err
		for errors.Unwrap(inner) != nil && fmt.Sprintf("%T", inner) != fmt.Sprintf("%T", want) {
			inner = errors.Unwrap(inner)
		}
		got, _ := json.Marshal(inner)
		expected, _ := json.Marshal(want)
		if string(got) != string(expected) || fmt.Sprintf("%T", inner) != fmt.Sprintf("%T", want) {
			t.Errorf("%s: %T %s, want %T %s", address, inner, got, want, expected)
		}
	}
	for _, address := range []string{"hello:80", "hello:http", "hello.default.deployment.apps:8000"} {
		if err := c.Resolve(t.Context(), address); err != nil {
			t.Errorf("%s, which is there: %v", address, err)
		}
	}
	// A Service that was used is suggested.
	var absent *fault.NotFound
	if err := dial(t, c, "app.team.svc:80"); err != nil {
		t.Error(err)
	}
	if err := dial(t, c, "app:80"); !errors.As(err, &absent) || !slices.Equal(absent.Elsewhere, []string{"team"}) {
		t.Errorf("%v, %+v", err, absent)
	}
	// Suggestions for a name are looked for once, and not for a client that makes names up.
	before := c.api.Asked.Load()
	if err := dial(t, c, "helo:80"); err == nil {
		t.Error("helo is there")
	}
	if asked := c.api.Asked.Load() - before; asked > 2 {
		t.Errorf("for the same name again %d questions", asked)
	}
	const many = 60
	before = c.api.Asked.Load()
	for i := range many {
		_ = dial(t, c, fmt.Sprintf("made-up-%d:80", i)) // it does not exist
	}
	if asked := c.api.Asked.Load() - before; asked > 2*many+nearbyPerMinute {
		t.Errorf("for %d made-up names %d questions", many, asked)
	}
	// A user of one namespace gets suggestions from that namespace only.
	narrow := openReal(t, cluster.Kubeconfig, "demo-team")
	if err := dial(t, narrow, "ap:80"); !errors.As(err, &absent) || !slices.Equal(absent.Near, []string{"app"}) || len(absent.Elsewhere) > 0 {
		t.Errorf("in one namespace: %v, %+v", err, absent)
	}
	if err := dial(t, narrow, "hello:80"); !errors.As(err, &absent) || len(absent.Near)+len(absent.Elsewhere) > 0 {
		t.Errorf("in one namespace: %v, %+v", err, absent)
	}
}

func spread(t *testing.T, cluster *clustertest.Cluster) {
	c := openReal(t, cluster.Kubeconfig, "demo")
	pods := map[string]int{}
	for range 60 {
		pod, err := ask(c, "web:80")
		if err != nil {
			t.Fatal(err)
		}
		pods[pod]++
	}
	// The probability that 60 fair choices miss one of three Pods is less than 10^-10.
	if len(pods) != 3 {
		t.Errorf("answers came from %v", pods)
	}
}

func refusedPort(t *testing.T, cluster *clustertest.Cluster) {
	c := openReal(t, cluster.Kubeconfig, "demo")
	podIP := field(t, cluster, ".status.podIP", "pod", "manual")
	other, err := openedDial(c)(t.Context(), "tcp", "manual:80")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, address := range []string{"refused:80", podIP + ":9"} {
		_, err := openedDial(c)(t.Context(), "tcp", address)
		var refused *fault.Refused
		if !errors.As(err, &refused) || !errors.Is(err, syscall.ECONNREFUSED) || refused.Namespace != "default" {
			t.Errorf("%s: %v", address, err)
		}
	}
	fmt.Fprint(other, "GET / HTTP/1.0\r\n\r\n")
	if response, err := http.ReadResponse(bufio.NewReader(other), nil); err != nil || response.Header.Get("X-Pod") != "default/manual" {
		t.Errorf("the other connection: %v, %v", response, err)
	}
}

func replacedPod(t *testing.T, cluster *clustertest.Cluster) {
	c := openReal(t, cluster.Kubeconfig, "demo")
	for range 3 {
		old, err := ask(c, "hello:80")
		if err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{
			{"delete", "pod", strings.TrimPrefix(old, "default/"), "--wait"}, {"rollout", "status", "deployment", "hello"},
		} {
			if out, err := cluster.Kubectl(t.Context(), args...); err != nil {
				t.Fatalf("kubectl %v: %v: %s", args, err, out)
			}
		}
		// The cached endpoint of hello is a Pod that is gone. Its client does not notice.
		pod, err := ask(c, "hello:80")
		if err != nil || pod == old || !strings.HasPrefix(pod, "default/hello-") {
			t.Errorf("Pod %q after %s, %v", pod, old, err)
		}
	}
}

func doubtfulNames(t *testing.T, cluster *clustertest.Cluster) {
	// .team is a public suffix, and a namespace here.
	for context, want := range map[string]map[string]bool{
		"demo":      {"app.team": true, "lost.team": false, "example.com": false, "hello": true, "hello.default": true},
		"demo-team": {"app.team": true, "lost.team": false, "example.com": false},
	} {
		c := openReal(t, cluster.Kubeconfig, context)
		for host, want := range want {
			if got, err := inCluster(t.Context(), c, host); got != want || err != nil {
				t.Errorf("%s: Lookup(%s) = %v, %v", context, host, got, err)
			}
		}
	}
}
