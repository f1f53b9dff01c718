package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/build/objecttest"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"fairlead/kube/api"
	"fairlead/kube/fault"
	"fairlead/kube/objects"
)

// The costs to this machine of an answer of an API server, whatever is in it.
const (
	hostileBytes = 8<<20 - 1<<10
	mostMemory   = 64 << 20
)

// peak returns the maximum growth of the heap while do runs.
func peak(do func()) uint64 {
	heap := func() uint64 {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	runtime.GC()
	before := heap()
	most := before
	done := make(chan struct{})
	var sampling sync.WaitGroup
	sampling.Go(func() {
		for {
			most = max(most, heap())
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	do()
	close(done)
	sampling.Wait()
	return most - before
}

// filled repeats item between head and tail, up to hostileBytes.
func filled(head, item, tail string) []byte {
	n := (hostileBytes - len(head) - len(tail)) / (len(item) + 1)
	body := append(make([]byte, 0, hostileBytes), head...)
	for i := range n {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, item...)
	}
	return append(body, tail...)
}

// listed returns a list of tiny items.
func listed(apiVersion, kind, item string) []byte {
	return filled(`{"kind":"`+kind+`","apiVersion":"`+apiVersion+`","metadata":{"resourceVersion":"1"},"items":[`, item, `]}`)
}

// A hostileAnswer is sent to every request whose path has a given ending.
type hostileAnswer struct {
	name      string
	path      string
	code      int
	body      []byte
	ask       func(t *testing.T, c *Cluster) error
	oversized bool // the error says that it is too large; fields that are not needed are skipped
}

func dials(address string) func(t *testing.T, c *Cluster) error {
	return func(t *testing.T, c *Cluster) error { return dial(t, c, address) }
}

func hostileAnswers() []hostileAnswer {
	claim := func(t *testing.T, c *Cluster) error {
		_, err := inCluster(t.Context(), c, "10.9.9.9")
		return err
	}
	services := func(t *testing.T, c *Cluster) error {
		_, err := c.Services(t.Context(), "")
		return err
	}
	namespaces := func(t *testing.T, c *Cluster) error {
		_, err := c.Namespaces(t.Context())
		return err
	}
	check := func(t *testing.T, c *Cluster) error { return c.Check(t.Context()) }
	ranges := func(t *testing.T, c *Cluster) error {
		_, err := c.resolver.fetchRanges(t.Context())
		return err
	}
	const slice = `{"kind":"EndpointSliceList","apiVersion":"discovery.k8s.io/v1","metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"a"},`
	service := `{"kind":"Service","apiVersion":"v1","metadata":{"name":"web","namespace":"team"},"spec":{`
	pod := `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-1","namespace":"team","uid":"uid-web-1"},`
	return []hostileAnswer{
		{"Services by address", "/services", 200, listed("v1", "ServiceList", "{}"), claim, true},
		{"Services with names", "/services", 200, listed("v1", "ServiceList", `{"metadata":{"name":"a","namespace":"b"}}`), services, true},
		{"all Services", "/services", 200, listed("v1", "ServiceList", "{}"), services, true},
		{"Pods by address", "/pods", 200, listed("v1", "PodList", "{}"), claim, true},
		{"namespaces", "/namespaces", 200, listed("v1", "NamespaceList", "{}"), namespaces, true},
		{"nodes", "/nodes", 200, listed("v1", "NodeList", `{"spec":{"podCIDR":"10.0.0.0/8"}}`), ranges, true},
		{"ranges", "/servicecidrs", 200, listed("networking.k8s.io/v1", "ServiceCIDRList", `{"spec":{"cidrs":["10.0.0.0/8"]}}`), ranges, true},
		{"ranges in one object", "/servicecidrs", 200,
			filled(`{"kind":"ServiceCIDRList","apiVersion":"networking.k8s.io/v1","items":[{"spec":{"cidrs":[`, `""`, `]}}]}`), ranges, true},
		{"EndpointSlices", "/endpointslices", 200, listed("discovery.k8s.io/v1", "EndpointSliceList", "{}"), dials("web:80"), true},
		{"endpoints", "/endpointslices", 200, filled(slice+`"endpoints":[`, "{}", `]}]}`), dials("web:80"), true},
		{"addresses", "/endpointslices", 200, filled(slice+`"endpoints":[{"addresses":[`, `""`, `]}]}]}`), dials("web:80"), true},
		{"ports of a slice", "/endpointslices", 200, filled(slice+`"ports":[`, "{}", `]}]}`), dials("web:80"), true},
		{"labels", "/endpointslices", 200, filled(slice+`"metadata":{"labels":{`, `"":""`, `}}}]}`), dials("web:80"), false},
		{"ports of a Service", "/services/web", 200, filled(service+`"ports":[`, "{}", `]}}`), dials("web:80"), true},
		{"a selector", "/services/web", 200, filled(service+`"selector":{`, `"":""`, `}}}`), dials("web:80"), false},
		{"external IPs", "/services/web", 200, filled(service+`"externalIPs":[`, `""`, `]}}`), dials("web:80"), true},
		{"conditions of a Pod", "/pods/web-1", 200, filled(pod+`"status":{"conditions":[`, "{}", `]}}`), dials("web-1.team.pod:80"), true},
		{"addresses of a Pod", "/pods/web-1", 200, filled(pod+`"status":{"podIPs":[`, "{}", `]}}`), dials("web-1.team.pod:80"), true},
		{"containers of a Pod", "/pods/web-1", 200, filled(pod+`"spec":{"containers":[`, "{}", `]}}`), dials("web-1.team.pod:80"), true},
		{"ports of a container", "/pods/web-1", 200, filled(pod+`"spec":{"containers":[{"ports":[`, "{}", `]}]}}`), dials("web-1.team.pod:80"), true},
		{"volumes of a Pod", "/pods/web-1", 200, filled(pod+`"spec":{"volumes":[`, "{}", `]}}`), dials("web-1.team.pod:80"), false},
		{"a namespace", "/namespaces/lost", 200, filled(`{"kind":"Namespace","apiVersion":"v1","spec":{"finalizers":[`, `""`, `]}}`), dials("web.lost:80"), false},
		{"a review", "/selfsubjectaccessreviews", 201,
			filled(`{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","metadata":{"managedFields":[`, "{}", `]}}`), check, false},
		{"causes of a refusal", "/services/web", 403,
			filled(`{"kind":"Status","apiVersion":"v1","status":"Failure","code":403,"reason":"Forbidden","details":{"causes":[`, "{}", `]}}`), dials("web:80"), true},
		{"a name", "/services/web", 200, filled(service+`"externalName":"`, strings.Repeat("a", 63), `"}}`), dials("web:80"), false},
		{"nested lists", "/services/web", 200, append([]byte(service+`"x":`), bytes.Repeat([]byte("["), 4<<20)...), dials("web:80"), true},
		{"the version", "/version", 200, filled(`{"gitVersion":"v1","x":[`, "{}", `]}`), func(t *testing.T, c *Cluster) error {
			_, err := c.api.Version(t.Context())
			return err
		}, false},
	}
}

// An API server, or something that answers in its place, may be hostile: no answer costs much, whatever it holds, and the
// error names the API server.
func TestNoAnswerOfAnAPIServerCostsMuchMemory(t *testing.T) {
	for _, hostile := range hostileAnswers() {
		t.Run(hostile.name, func(t *testing.T) {
			server := newAPIServer(t)
			server.add("team", "web", "web-1")
			server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, hostile.path) {
					return false
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(hostile.code)
				_, _ = w.Write(hostile.body) // the client may have closed the connection
				return true
			})
			c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
			var err error
			grown := peak(func() { err = hostile.ask(t, c) })
			t.Logf("%d MiB, %v", grown>>20, err)
			if grown > mostMemory {
				t.Errorf("the heap grew by %d MiB", grown>>20)
			}
			big, ok := errors.AsType[*fault.Oversized](err)
			if ok != hostile.oversized || ok && "https://"+big.Server != server.URL {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// Many questions at the same time cost no more than a few.
func TestAnswersTogetherCostNoMoreThanSome(t *testing.T) {
	server := newAPIServer(t)
	body := filled(`{"kind":"Service","apiVersion":"v1","metadata":{"name":"web","namespace":"team"},"spec":{"ports":[`, `{"name":"0123456789012345678901234567890123456789"}`, `]}}`)
	server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
		return true
	})
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	grown := peak(func() {
		var wg sync.WaitGroup
		for i := range api.MaxQuestions {
			wg.Go(func() {
				_, _ = c.resolver.exists(context.Background(), objects.ServiceKey{Namespace: "team", Name: "web-" + string(rune('a'+i))})
			})
		}
		wg.Wait()
	})
	t.Logf("%d MiB", grown>>20)
	if grown > 2*mostMemory {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}

// A watch may last for long: neither many events nor a large one use much memory.
func TestNoWatchCostsMuchMemory(t *testing.T) {
	for name, events := range map[string][]byte{
		"a large event":   filled(`{"type":"MODIFIED","object":{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":"b"},"endpoints":[`, "{}", "]}}\n"),
		"many slices":     bytes.Repeat([]byte(`{"type":"ADDED","object":{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1"}}`+"\n"), hostileBytes/86),
		"a large refusal": filled(`{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","code":500,"details":{"causes":[`, "{}", "]}}}\n"),
	} {
		t.Run(name, func(t *testing.T) {
			server := newAPIServer(t)
			server.add("team", "web", "web-1")
			sent := make(chan struct{}, 1)
			server.refuse = func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write(events)
				signal(sent)
			}
			c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
			grown := peak(func() {
				if err := dial(t, c, "web:80"); err != nil {
					t.Error(err)
				}
				<-sent
				waitFor(t, "the watch to end", func() bool { return !isWatched(c, "team", "web") })
			})
			t.Logf("%d MiB", grown>>20)
			if grown > mostMemory {
				t.Errorf("the heap grew by %d MiB", grown>>20)
			}
		})
	}
}

// The head of an answer is bounded as well: parsed, it takes many times as much memory.
func TestNoHeadOfAnAnswerCostsMuchMemory(t *testing.T) {
	server := newAPIServer(t)
	head := append([]byte("HTTP/1.1 200 OK\r\n"), bytes.Repeat([]byte("a:\r\nb:\r\nc:\r\nd:\r\n"), hostileBytes/16)...)
	server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return false
		}
		defer conn.Close()
		_, _ = conn.Write(head) // the client may have closed the connection
		return true
	})
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	for what, ask := range map[string]func() error{
		"a question": func() error { return c.Check(t.Context()) },
		"a look":     func() error { return c.api.Probe(t.Context()) },
		"a stream": func() error {
			_, err := objects.ListSlices(t.Context(), c.api.Streams, objects.ServiceKey{Namespace: "team", Name: "web"})
			return err
		},
	} {
		var err error
		grown := peak(func() { err = ask() })
		t.Logf("%s: %d MiB, %v", what, grown>>20, err)
		if grown > 16<<20 || err == nil {
			t.Errorf("%s: the heap grew by %d MiB, %v", what, grown>>20, err)
		}
	}
}

// The memory of all cached Services together is bounded.
func TestAnswersThatAreRememberedCostNoMoreThanSome(t *testing.T) {
	server := newAPIServer(t)
	endpoints := make([]discoveryv1.EndpointSlice, 1)
	for i := range 10_000 {
		endpoints[0].Endpoints = append(endpoints[0].Endpoints, largeEndpoint(i))
	}
	for i := range 12 {
		key := fmt.Sprintf("team/web-%d", i)
		server.add("team", strings.TrimPrefix(key, "team/"))
		server.slices[key] = endpoints
	}
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	for i := range 12 {
		if _, err := c.resolver.resolve(t.Context(), parseName(fmt.Sprintf("web-%d", i), "team"), 80); errors.As(err, new(*fault.Oversized)) {
			t.Fatal(err)
		}
	}
	cost := 0
	c.resolver.endpoints.each(func(_ objects.ServiceKey, set objects.Endpoints) { cost += set.Cost() })
	w := c.resolver.watches
	w.mu.Lock()
	defer w.mu.Unlock()
	t.Logf("%d MiB in the cache, %d MiB watched", cost>>20, w.cost()>>20)
	list := discoveryv1.EndpointSliceList{TypeMeta: metav1.TypeMeta{Kind: "EndpointSliceList"}, Items: endpoints}
	one := objecttest.Read(t, list, objects.ReadSlices("team")).Cost()
	if one < 1<<20 || cost > maxCachedMemory+one || w.cost() > maxWatchedMemory {
		t.Errorf("%d bytes are remembered, and %d watched; one Service costs %d", cost, w.cost(), one)
	}
}

func largeEndpoint(i int) discoveryv1.Endpoint {
	name := fmt.Sprintf("a-rather-long-name-of-a-deployment-%d", i)
	return discoveryv1.Endpoint{
		Addresses: []string{fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255)}, NodeName: new(fmt.Sprintf("node-%d.eu-central-1.compute.internal", i%5000)),
		TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: name, Namespace: "team", UID: types.UID(fmt.Sprintf("00000000-0000-0000-0000-%012d", i))},
	}
}

// The answers of a large cluster stay within the bounds.
func TestALargeClusterIsRead(t *testing.T) {
	server := newAPIServer(t)
	const services, perNamespace, page = 20_000, 200, 500
	service := func(i int) corev1.Service {
		s := corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: fmt.Sprintf("namespace-%d", i/perNamespace), Name: fmt.Sprintf("service-%d", i)}}
		s.Annotations = map[string]string{"last-applied": strings.Repeat("x", 2000)}
		s.Spec.Ports = []corev1.ServicePort{{Name: "http", Port: 80}, {Name: "metrics", Port: 9090}}
		return s
	}
	var slices []discoveryv1.EndpointSlice
	for i := range 15 { // an EndpointSlice has 1000 endpoints at most
		slice := objecttest.Slice(8080)
		slice.Name = fmt.Sprintf("web-%d", i)
		for j := range 1000 {
			slice.Endpoints = append(slice.Endpoints, largeEndpoint(1000*i+j))
		}
		slices = append(slices, slice)
	}
	server.add("team", "web")
	server.slices["team/web"] = slices
	pods := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList"}}
	for i := range 10_000 { // on their node's network, or of an API server without the field selector
		pod := testPod("team", fmt.Sprintf("pod-%d", i), "10.1.2.3")
		pod.Annotations = map[string]string{"last-applied": strings.Repeat("x", 1000)}
		pods.Items = append(pods.Items, pod)
	}
	server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		switch r.URL.Path {
		case "/api/v1/services":
			list := corev1.ServiceList{TypeMeta: metav1.TypeMeta{Kind: "ServiceList"}}
			if r.URL.Query().Get("fieldSelector") == "" {
				from, _ := strconv.Atoi(r.URL.Query().Get("continue"))
				for i := from; i < min(from+page, services); i++ {
					list.Items = append(list.Items, service(i))
				}
				if from+page < services {
					list.Continue = strconv.Itoa(from + page)
				}
			}
			respond(w, http.StatusOK, list)
		case "/api/v1/pods":
			respond(w, http.StatusOK, pods)
		default:
			return false
		}
		return true
	})
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	c.api.AttemptTimeout = api.RequestTimeout // this machine may be busy
	if list, err := c.Services(t.Context(), ""); err != nil || len(list) != services || len(list[7].Ports) != 2 {
		t.Errorf("%d Services, %v", len(list), err)
	}
	if set, err := c.resolver.ask.EndpointSlices(t.Context(), objects.ServiceKey{Namespace: "team", Name: "web"}); err != nil || len(set.Pods()) != 15_000 {
		t.Errorf("%d endpoints, %v", len(set.Pods()), err)
	}
	if list, err := c.resolver.ask.PodsAt(t.Context(), "", "10.1.2.3"); err != nil || len(list) != len(pods.Items) {
		t.Errorf("%d Pods, %v", len(list), err)
	}
}
