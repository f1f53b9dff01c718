package kube

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/build/clustertest"
	"fairlead/kube/objects"
)

// freshWithin bounds how long new connections may still go to a Pod that is out of use according to the API server.
const freshWithin = 200 * time.Millisecond

// watchedObjects are a Service with two Pods, a headless one with the same, a StatefulSet and a Deployment with two; and an
// account that may list EndpointSlices but not watch them. The Pods' content is inserted.
const watchedObjects = `
apiVersion: v1
kind: Namespace
metadata: {name: watched}
---
apiVersion: v1
kind: Pod
metadata: {name: pair-a, namespace: watched, labels: {app: pair}}
spec: %[1]s
---
apiVersion: v1
kind: Pod
metadata: {name: pair-b, namespace: watched, labels: {app: pair}}
spec: %[1]s
---
apiVersion: v1
kind: Service
metadata: {name: pair, namespace: watched}
spec: {selector: {app: pair}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: pods, namespace: watched}
spec: {clusterIP: None, selector: {app: pair}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: set, namespace: watched}
spec:
  replicas: 2
  serviceName: set
  selector: {matchLabels: {app: set}}
  template: {metadata: {labels: {app: set}}, spec: %[1]s}
---
apiVersion: v1
kind: Service
metadata: {name: set, namespace: watched}
spec: {clusterIP: None, selector: {app: set}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: all, namespace: watched}
spec:
  replicas: 2
  selector: {matchLabels: {app: all}}
  template: {metadata: {labels: {app: all}}, spec: %[1]s}
---
apiVersion: v1
kind: Service
metadata: {name: all, namespace: watched}
spec: {selector: {app: all}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: unwatched, namespace: watched}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: unwatched, namespace: watched}
rules:
- {apiGroups: [""], resources: [services, pods], verbs: [get]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list]}
- {apiGroups: [""], resources: [pods/portforward], verbs: [get, create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: unwatched, namespace: watched}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: unwatched}
subjects: [{kind: ServiceAccount, name: unwatched, namespace: watched}]
`

func makeWatched(t *testing.T, cluster *clustertest.Cluster) {
	t.Helper()
	spec := `{automountServiceAccountToken: false, terminationGracePeriodSeconds: 1, containers: [{name: http, ` +
		`image: demo.local/http, imagePullPolicy: Never, ports: [{name: http, containerPort: 8080}]}]}`
	apply := cluster.KubectlCommand(t.Context(), "apply", "-f", "-")
	apply.Stdin = strings.NewReader(fmt.Sprintf(watchedObjects, spec))
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("kubectl apply: %v: %s", err, out)
	}
	setRealReady(t, cluster, "pair-b", true)
	waitFor(t, "the StatefulSet's Pods", func() bool { return readyPods(t, cluster, "set") == "set-0 set-1" })
}

// readyPods returns the names of the Pods that are ready according to a Service's EndpointSlices.
func readyPods(t *testing.T, cluster *clustertest.Cluster, service string) string {
	t.Helper()
	names := strings.Fields(kubectl(t, cluster, "get", "endpointslices", "-n", "watched", "-l", "kubernetes.io/service-name="+service,
		"-o", "jsonpath={range .items[*].endpoints[?(@.conditions.ready==true)]}{.targetRef.name} {end}"))
	slices.Sort(names)
	return strings.Join(names, " ")
}

// setRealReady makes a Pod of the pair ready or unready, and waits until the API server's EndpointSlices show that.
func setRealReady(t *testing.T, cluster *clustertest.Cluster, pod string, ready bool) {
	t.Helper()
	status := map[bool]string{true: "True", false: "False"}[ready]
	waitFor(t, "the Pod to run", func() bool {
		return kubectl(t, cluster, "get", "pod", pod, "-n", "watched", "-o", "jsonpath={.status.phase}") == "Running"
	})
	kubectl(t, cluster, "patch", "pod", pod, "-n", "watched", "--subresource=status",
		"-p", `{"status":{"conditions":[{"type":"Ready","status":"`+status+`"}]}}`)
	waitFor(t, "its readiness to be "+status, func() bool {
		return strings.Contains(readyPods(t, cluster, "pair"), pod) == ready && strings.Contains(readyPods(t, cluster, "pods"), pod) == ready
	})
}

// askBoth asks a Service until both Pods of the pair have answered.
func askBoth(t *testing.T, c *Cluster) {
	t.Helper()
	seen := map[string]bool{}
	waitFor(t, "both Pods to answer", func() bool {
		pod, err := ask(c, "pair.watched:80")
		if err != nil {
			t.Error(err)
		}
		seen[pod] = true
		return len(seen) == 2
	})
}

// unready tests that a Pod that is no longer ready gets no connection by any name, and that its sessions end.
func unready(t *testing.T, cluster *clustertest.Cluster) {
	makeWatched(t, cluster)
	c := openReal(t, cluster.Kubeconfig, "demo")
	for range 3 {
		askBoth(t, c)
		setRealReady(t, cluster, "pair-b", false)
		<-time.After(freshWithin)
		for range 30 {
			for _, name := range []string{"pair.watched:80", "pods.watched:80"} {
				if pod, err := ask(c, name); err != nil || pod != "watched/pair-a" {
					t.Errorf("%s: Pod %q, %v", name, pod, err)
				}
			}
		}
		waitFor(t, "its sessions to end", func() bool {
			stats, err := cluster.Stats(t.Context())
			return err == nil && stats.Pod("watched", "pair-b").SessionsOpen == 0
		})
		setRealReady(t, cluster, "pair-b", true)
	}
}

// replacedMember tests that the Pod of a StatefulSet is reached as soon as its EndpointSlice has it again.
func replacedMember(t *testing.T, cluster *clustertest.Cluster) {
	makeWatched(t, cluster)
	c := openReal(t, cluster.Kubeconfig, "demo")
	address := field(t, cluster, ".status.podIP", "pod", "pair-a", "-n", "watched")
	dashed := strings.ReplaceAll(address, ".", "-") + ".pods.watched.svc.cluster.local:8080"
	if pod, err := ask(c, dashed); err != nil || pod != "watched/pair-a" {
		t.Errorf("%s: Pod %q, %v", dashed, pod, err)
	}
	for range 3 {
		if _, err := ask(c, "set-0.set.watched:8080"); err != nil {
			t.Fatal(err)
		}
		old := field(t, cluster, ".metadata.uid", "pod", "set-0", "-n", "watched")
		stop := make(chan struct{})
		var asking sync.WaitGroup
		asking.Go(func() { // it fails while there is no such Pod
			for {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
					_, _ = ask(c, "set-0.set.watched:8080")
				}
			}
		})
		kubectl(t, cluster, "delete", "pod", "set-0", "-n", "watched", "--grace-period=1")
		waitFor(t, "the new Pod to be in the slice", func() bool {
			return !strings.Contains(kubectl(t, cluster, "get", "endpointslices", "-n", "watched", "-l", "kubernetes.io/service-name=set",
				"-o", "jsonpath={.items[*].endpoints[*].targetRef.uid}"), old) && strings.HasPrefix(readyPods(t, cluster, "set"), "set-0")
		})
		close(stop)
		asking.Wait()
		<-time.After(freshWithin)
		begun := time.Now()
		if pod, err := ask(c, "set-0.set.watched:8080"); err != nil || pod != "watched/set-0" {
			t.Errorf("after %s: Pod %q, %v", time.Since(begun), pod, err)
		}
	}
}

// watchedOnce reads in the audit log what watching costs: one request for each Service in use, which ends some time after
// the last use.
func watchedOnce(t *testing.T, cluster *clustertest.Cluster) {
	makeWatched(t, cluster)
	c := openReal(t, cluster.Kubeconfig, "demo")
	c.resolver.watches.lasts = time.Second
	names := []string{"pair.watched:80", "pods.watched:80", "set-0.set.watched:8080"}
	before := watchesOf(t, cluster)
	for round := 1; round <= 2; round++ {
		for range 5 {
			for _, name := range names {
				if _, err := ask(c, name); err != nil {
					t.Error(err)
				}
			}
		}
		for _, service := range []string{"pair", "pods", "set"} {
			waitFor(t, "the watch of "+service+" to end", func() bool { return watchesOf(t, cluster)[service].ended == before[service].ended+round })
			if begun := watchesOf(t, cluster)[service].begun; begun != before[service].begun+round {
				t.Errorf("%d watches of %s begun in %d rounds", begun-before[service].begun, service, round)
			}
		}
	}
}

// allDeleted deletes all Pods of a Service at once, by force, under steady requests. None takes long, and the first new Pod
// serves as soon as the EndpointSlice has it ready.
func allDeleted(t *testing.T, cluster *clustertest.Cluster) {
	makeWatched(t, cluster)
	waitFor(t, "the Deployment's Pods", func() bool { return strings.Count(readyPods(t, cluster, "all"), "all-") == 2 })
	c := openReal(t, cluster.Kubeconfig, "demo")
	if _, err := ask(c, "all.watched:80"); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
				}
				begun := time.Now()
				_, err := ask(c, "all.watched:80") // it may fail while there is no Pod
				if took := time.Since(begun); took > 3*time.Second {
					t.Errorf("a request took %s: %v", took, err)
				}
			}
		})
	}
	defer asking.Wait()
	defer close(stop)
	for range 3 {
		old := strings.Fields(readyPods(t, cluster, "all"))
		kubectl(t, cluster, append([]string{"delete", "pod", "-n", "watched", "--force", "--grace-period=0"}, old...)...)
		waitFor(t, "a new Pod", func() bool {
			now := readyPods(t, cluster, "all")
			return now != "" && !strings.Contains(now, old[0]) && !strings.Contains(now, old[1])
		})
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		pod, err := askWithin(ctx, c, "all.watched:80")
		cancel()
		if err != nil || slices.Contains(old, strings.TrimPrefix(pod, "watched/")) {
			t.Errorf("after %s: Pod %q, %v", time.Since(begun), pod, err)
		}
		waitFor(t, "both Pods", func() bool { return strings.Count(readyPods(t, cluster, "all"), "all-") == 2 })
	}
}

type counts struct{ begun, ended int }

// watchesOf counts Fairlead's watches of the Services in the namespace watched.
func watchesOf(t *testing.T, cluster *clustertest.Cluster) map[string]counts {
	t.Helper()
	file, err := os.Open(filepath.Join(cluster.State, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	found := map[string]counts{}
	for lines := bufio.NewScanner(bufio.NewReaderSize(file, 1<<20)); lines.Scan(); {
		var event struct {
			Stage, Verb, RequestURI, UserAgent string
			ObjectRef                          struct{ Namespace string }
		}
		if json.Unmarshal(lines.Bytes(), &event) != nil || event.Verb != "watch" || !strings.HasPrefix(event.UserAgent, "fairlead/") {
			continue
		}
		asked, err := url.Parse(event.RequestURI)
		if err != nil || event.ObjectRef.Namespace == "" {
			t.Errorf("a watch of %s", event.RequestURI)
			continue
		}
		if event.ObjectRef.Namespace != "watched" {
			continue
		}
		service := strings.TrimPrefix(asked.Query().Get("labelSelector"), "kubernetes.io/service-name=")
		n := found[service]
		switch event.Stage {
		case "ResponseStarted":
			n.begun++
		case "ResponseComplete":
			n.ended++
		}
		found[service] = n
	}
	return found
}

// unwatched tests a user who may list EndpointSlices, but not watch them.
func unwatched(t *testing.T, cluster *clustertest.Cluster) {
	makeWatched(t, cluster)
	token := strings.TrimSpace(kubectl(t, cluster, "create", "token", "unwatched", "-n", "watched"))
	c := openReal(t, withToken(t, cluster, "unwatched", "watched", token), "unwatched")
	c.resolver.watches.lasts = 3 * time.Second
	asked := func(what string) (n int) {
		for _, uri := range audited(t, cluster, "system:serviceaccount:watched:unwatched") {
			if strings.Contains(uri, "/endpointslices") && strings.Contains(uri, "&watch=true") == (what == "watch") {
				n++
			}
		}
		return n
	}
	askBoth(t, c)
	setRealReady(t, cluster, "pair-b", false)
	<-time.After(busyPoll + freshWithin)
	for range 30 {
		if pod, err := ask(c, "pair:80"); err != nil || pod != "watched/pair-a" {
			t.Errorf("Pod %q, %v", pod, err)
		}
	}
	setRealReady(t, cluster, "pair-b", true)
	if n := asked("watch"); n != 1 {
		t.Errorf("asked for %d watches", n)
	}
	waitFor(t, "the polls to end", func() bool {
		e := c.resolver.watches
		e.mu.Lock()
		defer e.mu.Unlock()
		return len(e.watches) == 0
	})
	lists := asked("list")
	if lists < 2 {
		t.Errorf("polled %d times", lists-1)
	}
	<-time.After(2 * busyPoll)
	if n := asked("list"); n != lists {
		t.Errorf("polled %d times after the last use", n-lists)
	}
}

// tooOld begins a watch at a version that the API server no longer has.
func tooOld(t *testing.T, cluster *clustertest.Cluster) {
	makeWatched(t, cluster)
	c := openReal(t, cluster.Kubeconfig, "demo")
	if err := c.Check(t.Context()); err != nil { // it waits for Run to begin
		t.Fatal(err)
	}
	e, key := c.resolver.watches, objects.ServiceKey{Namespace: "watched", Name: "pair"}
	e.begin(key, objects.Endpoints{Version: "1"})
	waitFor(t, "a watch that has the Pods", func() bool {
		set, live := e.current(key)
		return live && len(set.Pods()) == 2
	})
}

// throughMiddlebox tests that changes come through a proxy that terminates TLS, as they happen.
func throughMiddlebox(t *testing.T, cluster *clustertest.Cluster) {
	makeWatched(t, cluster)
	c := openReal(t, cluster.KubeconfigMiddlebox, "demo")
	askBoth(t, c)
	waitFor(t, "the watch", func() bool { return isWatched(c, "watched", "pair") })
	setRealReady(t, cluster, "pair-b", false)
	defer setRealReady(t, cluster, "pair-b", true)
	<-time.After(freshWithin)
	set, live := c.resolver.watches.current(objects.ServiceKey{Namespace: "watched", Name: "pair"})
	id := objects.PodID{Namespace: "watched", Name: "pair-b", UID: field(t, cluster, ".metadata.uid", "pod", "pair-b", "-n", "watched")}
	if had, listed := set.Pods()[id]; !live || had.Usable || !listed {
		t.Errorf("the change did not come within %s; live: %v", freshWithin, live)
	}
}

// cutWatch cuts the connections of the middlebox, which then lets no watch through for a while. No client notices.
func cutWatch(t *testing.T, cluster *clustertest.Cluster) {
	makeWatched(t, cluster)
	f := newFront(t, cluster)
	c := openReal(t, f.kubeconfig(t, nil), "front")
	askBoth(t, c)
	waitFor(t, "the watch", func() bool { return isWatched(c, "watched", "pair") })
	f.obey(rule{method: http.MethodGet, path: regexp.MustCompile("/endpointslices$"), query: "watch=true", times: -1, status: http.StatusBadGateway})
	f.CloseClientConnections()
	waitFor(t, "the end of the watch", func() bool { return !isWatched(c, "watched", "pair") })
	setRealReady(t, cluster, "pair-b", false)
	defer setRealReady(t, cluster, "pair-b", true)
	<-time.After(busyPoll + freshWithin)
	for range 10 {
		if pod, err := ask(c, "pair.watched:80"); err != nil || pod != "watched/pair-a" {
			t.Errorf("Pod %q, %v", pod, err)
		}
	}
	f.pass()
	waitFor(t, "another watch", func() bool { return isWatched(c, "watched", "pair") })
}
