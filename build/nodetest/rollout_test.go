//go:build node

package nodetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/build/clustertest"
)

const (
	clients    = 8
	perSecond  = 100 // requests of all clients
	replicas   = 3
	wanted     = 4000 // requests during the rollouts
	longest    = 2 * time.Second
	rolledName = "%s-rolled"
)

// The programs whose Pods are replaced, by what they do when they are stopped.
const (
	finishes = "http-finishes"
	ignores  = "http-ignores-stop"
	stops    = "http-stops-at-once"
)

// deployment returns the manifest of a typical Deployment and its Service.
func deployment(program string, grace int, round string) string {
	name := fmt.Sprintf(rolledName, program)
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  replicas: %[2]d
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}, annotations: {round: "%[5]s"}}
    spec:
      terminationGracePeriodSeconds: %[4]d
      automountServiceAccountToken: false
      containers:
      - name: http
        image: demo.local/%[3]s:1
        imagePullPolicy: Never
        ports: [{name: http, containerPort: 8080}]
        env: [{name: PORTS, value: "8080"}, {name: POD_NAMESPACE, value: default}, {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
        readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: %[1]s}
spec: {selector: {app: %[1]s}, ports: [{name: http, port: 80, targetPort: http}]}
`, name, replicas, program, grace, round)
}

// A load is a set of clients that make requests to one Service without a pause.
type load struct {
	service string
	over    chan struct{}
	working sync.WaitGroup

	bound time.Duration // how long a request may take

	mu       sync.Mutex
	asked    int
	answered int
	last     time.Time // when the last request was answered
	slowest  time.Duration
	pods     map[string]bool
	failed   map[string][]string // errors by client
	late     []late
}

// late is an answer that took too long.
type late struct {
	client string
	answer
}

// begin starts the clients, half of them over SOCKS and half over plain HTTP.
func begin(p *product, service string) *load {
	l := &load{service: service, bound: longest, over: make(chan struct{}), pods: map[string]bool{}, failed: map[string][]string{}}
	for i := range clients {
		httpClient := p.overSOCKS()
		if i%2 == 1 {
			httpClient = p.overHTTP()
		}
		httpClient.name = fmt.Sprintf("%s client %d", httpClient.name, i)
		l.working.Go(func() { l.client(httpClient) })
	}
	return l
}

func (l *load) client(a httpClient) {
	ticker := time.NewTicker(time.Second * clients / perSecond)
	defer ticker.Stop()
	for {
		select {
		case <-l.over:
			return
		case <-ticker.C:
		}
		l.note(a.name, a.get(l.service))
	}
}

func (l *load) note(client string, got answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	l.slowest = max(l.slowest, got.took)
	if got.failure != "" {
		l.failed[client] = append(l.failed[client], fmt.Sprintf("%s (%v)", got.failure, got.took.Round(time.Millisecond)))
	} else {
		l.pods[got.pod] = true
		l.answered, l.last = l.answered+1, time.Now()
	}
	if got.took > longest {
		l.late = append(l.late, late{client, got})
	}
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

// end stops the clients, logs the results, and fails the test if a request took too long.
func (l *load) end(t *testing.T) {
	t.Helper()
	close(l.over)
	l.working.Wait()
	failed := 0
	for _, client := range slices.Sorted(maps.Keys(l.failed)) {
		failed += len(l.failed[client])
	}
	t.Logf("%s: %d requests, %d failed, served by %d Pods, the slowest took %v", l.service, l.asked, failed, len(l.pods), l.slowest.Round(time.Millisecond))
	for _, late := range l.late {
		if late.took > l.bound {
			t.Errorf("%s: a request of %s took %v: %s", l.service, late.client, late.took, late.failure)
		}
	}
}

// TestRolloutsGoUnnoticed replaces the Pods of three Services four times, twice with the default grace period, while
// clients make requests to all of them.
func TestRolloutsGoUnnoticed(t *testing.T) {
	onEachCluster(t, func(t *testing.T, c *clustertest.Cluster) {
		for _, carrier := range carriers {
			t.Run(carrier, func(t *testing.T) { rollouts(t, c, carrier) })
		}
	})
}

func rollouts(t *testing.T, c *clustertest.Cluster, carrier string) {
	programs := []string{finishes, ignores, stops}
	roll := func(grace int, round string) {
		for _, program := range programs {
			apply(t, c, deployment(program, grace, carrier+round))
		}
		for _, program := range programs {
			kubectl(t, c, "rollout", "status", "deployment", fmt.Sprintf(rolledName, program), "--timeout=120s")
		}
	}
	roll(1, "start")
	p := serve(t, c, carrier)
	loads := map[string]*load{}
	for _, program := range programs {
		loads[program] = begin(p, fmt.Sprintf(rolledName, program))
	}
	for i, grace := range []int{1, 30, 1, 30} {
		roll(grace, fmt.Sprint(i))
	}
	within(t, 2*time.Minute, "enough requests", func() bool {
		return loads[finishes].count() >= wanted && loads[ignores].count() >= wanted && loads[stops].count() >= wanted
	})
	// The runtime reports the end of a program that stops immediately a second later, and only then is a request sent
	// again.
	loads[stops].bound = 5 * time.Second
	for _, program := range programs {
		loads[program].end(t)
	}
	for _, program := range []string{finishes, ignores} {
		for client, failures := range loads[program].failed {
			t.Errorf("%s: %s met %d failures: %s", program, client, len(failures), strings.Join(failures, "; "))
		}
	}
	for client, failures := range loads[stops].failed {
		if strings.HasPrefix(client, "HTTP") {
			t.Errorf("%s: %s met %d failures, of requests that can be sent again: %s", stops, client, len(failures), strings.Join(failures, "; "))
		}
		// In all four rollouts each of 12 Pods ends once.
		if len(failures) > 4*replicas {
			t.Errorf("%s: %s met %d failures: %s", stops, client, len(failures), strings.Join(failures, "; "))
		}
		for _, failure := range failures {
			if !strings.Contains(failure, "connection reset by peer") {
				t.Errorf("%s: %s met what is no reset: %s", stops, client, failure)
			}
		}
	}
	for _, program := range programs {
		if n := len(loads[program].pods); n < 3*replicas {
			t.Errorf("%s: only %d Pods served", program, n)
		}
	}
}

// within is eventually with a given bound.
func within(t *testing.T, bound time.Duration, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(bound); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, bound)
		}
	}
}
