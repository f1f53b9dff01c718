package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/build/objecttest"

	"github.com/rs/zerolog"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"fairlead/kube/api"
	"fairlead/kube/carrier"
	"fairlead/kube/kubeconfig"
	"fairlead/kube/objects"
)

// An apiServer has a few objects and can misbehave in ways that a real one cannot be made to. What a real API server does is
// tested with one.
type apiServer struct {
	*httptest.Server

	mu       sync.Mutex
	services map[string]*corev1.Service             // by "namespace/name"
	slices   map[string][]discoveryv1.EndpointSlice // by "namespace/service"
	pods     []corev1.Pod
	nodes    []corev1.Node
	ranges   []networkingv1.ServiceCIDR
	asked    []string         // "GET path?query", without watches
	watched  []string         // the Services of requested watches, as "namespace/name"
	watching int              // open watches
	refuse   http.HandlerFunc // answers watches instead, unless it is nil
	answer   func(w http.ResponseWriter, r *http.Request) bool
}

func newAPIServer(t *testing.T) *apiServer {
	s := &apiServer{services: map[string]*corev1.Service{}, slices: map[string][]discoveryv1.EndpointSlice{}}
	s.Server = httptest.NewTLSServer(s)
	t.Cleanup(s.Close)
	return s
}

// pem returns the server's certificate.
func (s *apiServer) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

// testCA returns a certificate in PEM form.
func testCA(t *testing.T) string { return newAPIServer(t).pem() }

// misbehave makes answer handle requests. It returns false for those that the server should answer as usual.
func (s *apiServer) misbehave(answer func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *apiServer) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("watch") == "true" {
		s.watch(w, r)
		return
	}
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+r.URL.RequestURI())
	answer := s.answer
	s.mu.Unlock()
	if answer != nil && answer(w, r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	part := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.URL.Path == "/readyz":
		fmt.Fprint(w, "ok")
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/selfsubjectaccessreviews"):
		respond(w, http.StatusCreated, map[string]any{
			"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": map[string]any{}, "status": map[string]any{"allowed": true},
		})
	case len(part) == 6 && part[4] == "services":
		svc := s.services[part[3]+"/"+part[5]]
		if svc == nil {
			fail(w, http.StatusNotFound, "NotFound", `services "`+part[5]+`" not found`)
			return
		}
		respond(w, http.StatusOK, svc)
	case len(part) == 6 && part[5] == "endpointslices":
		service := strings.TrimPrefix(r.URL.Query().Get("labelSelector"), discoveryv1.LabelServiceName+"=")
		respond(w, http.StatusOK, discoveryv1.EndpointSliceList{
			TypeMeta: metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSliceList"},
			ListMeta: metav1.ListMeta{ResourceVersion: "1"}, Items: s.slices[part[4]+"/"+service],
		})
	case len(part) == 6 && part[4] == "pods":
		for _, pod := range s.pods {
			if pod.Namespace == part[3] && pod.Name == part[5] {
				respond(w, http.StatusOK, pod)
				return
			}
		}
		fail(w, http.StatusNotFound, "NotFound", `pods "`+part[5]+`" not found`)
	case part[len(part)-1] == "nodes":
		respond(w, http.StatusOK, corev1.NodeList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "NodeList"}, Items: s.nodes})
	case part[len(part)-1] == "servicecidrs":
		respond(w, http.StatusOK, networkingv1.ServiceCIDRList{
			TypeMeta: metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "ServiceCIDRList"}, Items: s.ranges,
		})
	case part[len(part)-1] == "pods":
		list := corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}}
		for _, pod := range s.pods {
			if strings.HasPrefix(r.URL.Query().Get("fieldSelector"), "status.podIP="+pod.Status.PodIP+",") {
				list.Items = append(list.Items, pod)
			}
		}
		respond(w, http.StatusOK, list)
	case part[len(part)-1] == "services":
		list := corev1.ServiceList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceList"}}
		for _, svc := range s.services {
			selector := r.URL.Query().Get("fieldSelector")
			if selector == "spec.clusterIP="+svc.Spec.ClusterIP || selector == "spec.type="+string(svc.Spec.Type) || selector == "" {
				list.Items = append(list.Items, *svc)
			}
		}
		respond(w, http.StatusOK, list)
	case len(part) == 4 && part[2] == "namespaces":
		for key := range s.services {
			if strings.HasPrefix(key, part[3]+"/") {
				respond(w, http.StatusOK, corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}})
				return
			}
		}
		fail(w, http.StatusNotFound, "NotFound", `namespaces "`+part[3]+`" not found`)
	default:
		http.NotFound(w, r)
	}
}

func respond(w http.ResponseWriter, code int, object any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(object)
}

func fail(w http.ResponseWriter, code int, reason, message string) {
	respond(w, code, metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Failure", Code: int32(code),
		Reason: metav1.StatusReason(reason), Message: message,
	})
}

// watch sends the EndpointSlices of a Service after each change, until the client ends the request.
func (s *apiServer) watch(w http.ResponseWriter, r *http.Request) {
	part := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	key := part[4] + "/" + strings.TrimPrefix(r.URL.Query().Get("labelSelector"), discoveryv1.LabelServiceName+"=")
	s.mu.Lock()
	s.watched = append(s.watched, key)
	s.watching++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.watching--
	}()
	if s.refuse != nil {
		s.refuse(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	send := json.NewEncoder(w)
	event := func(kind string, slice discoveryv1.EndpointSlice) {
		slice.ResourceVersion = "2"
		slice.TypeMeta = metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"}
		_ = send.Encode(map[string]any{"type": kind, "object": slice})
	}
	var sent []byte
	var before []discoveryv1.EndpointSlice
	for r.Context().Err() == nil {
		s.mu.Lock()
		list := slices.Clone(s.slices[key])
		s.mu.Unlock()
		if now, _ := json.Marshal(list); !bytes.Equal(now, sent) {
			for _, slice := range list {
				event("MODIFIED", slice)
			}
			for _, slice := range before[min(len(before), len(list)):] {
				event("DELETED", slice)
			}
			sent, before = now, list
		}
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// add adds a Service with one TCP port 80, named http, and Pods that listen on 8080.
func (s *apiServer) add(namespace, name string, pods ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.services[namespace+"/"+name] = &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.ServiceSpec{
			ClusterIP: "10.96.0.10", Selector: map[string]string{"app": name},
			Ports: []corev1.ServicePort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP}},
		},
	}
	s.slices[namespace+"/"+name] = []discoveryv1.EndpointSlice{objecttest.Slice(8080, pods...)}
	for i, pod := range pods {
		s.pods = append(s.pods, testPod(namespace, pod, fmt.Sprintf("10.244.0.%d", i+1)))
	}
}

// testPod returns a Pod that is running and ready on node-1.
func testPod(namespace, name, ip string) corev1.Pod {
	return corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID("uid-" + name)},
		Spec:       corev1.PodSpec{NodeName: "node-1"},
		Status: corev1.PodStatus{
			PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}}, HostIP: nodeAddress, HostIPs: []corev1.HostIP{{IP: nodeAddress}}, Phase: corev1.PodRunning,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		},
	}
}

// nodeAddress is the address of node-1.
const nodeAddress = "10.0.0.7"

// kubeconfig writes a kubeconfig for the server, and returns its path. user is the user entry in YAML.
func (s *apiServer) kubeconfig(t *testing.T, user string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "config")
	content := fmt.Sprintf(`
clusters: [{name: c, cluster: {server: "%s", certificate-authority: ca.crt}}]
users: [{name: u, user: %s}]
contexts: [{name: test, context: {cluster: c, user: u, namespace: team}}]
`, s.URL, user)
	for path, content := range map[string]string{path: content, filepath.Join(dir, "ca.crt"): s.pem()} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// A fakeCarrier records every dial and accepts it unless refuse returns an error.
type fakeCarrier struct {
	refuse func([]endpoint) error

	mu        sync.Mutex
	dials     [][]endpoint
	withdrawn []string // "pod not ready", "pod ending", "pod unlisted" or "pod restored", in order
}

func (f *fakeCarrier) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (f *fakeCarrier) Withdraw(namespace, pod, uid string, standing carrier.Standing) {
	f.note(pod + map[carrier.Standing]string{
		carrier.NotReady: " not ready", carrier.Ending: " ending", carrier.Unlisted: " unlisted",
	}[standing])
}

func (f *fakeCarrier) Restore(namespace, pod, uid string) { f.note(pod + " restored") }

func (f *fakeCarrier) note(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.withdrawn = append(f.withdrawn, what)
}

func (f *fakeCarrier) Connections() int { return 0 }

func (f *fakeCarrier) Dial(ctx context.Context, endpoints []endpoint, renew carrier.Renew) (net.Conn, error) {
	if err := f.dial(endpoints); err != nil {
		more := renew(ctx, err)
		if len(more) == 0 || f.dial(more) != nil {
			return nil, err
		}
	}
	near, far := net.Pipe()
	far.Close()
	return near, nil
}

func (f *fakeCarrier) dial(endpoints []endpoint) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []endpoint
	for _, e := range endpoints {
		list = append(list, e.Identity())
	}
	f.dials = append(f.dials, list)
	if f.refuse == nil {
		return nil
	}
	return f.refuse(endpoints)
}

func (f *fakeCarrier) dialled() [][]endpoint {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.dials)
}

// start runs a Cluster with the context "test" of a kubeconfig and a carrier.
func start(t *testing.T, kubeconfig string, to carrier.Carrier, report func(error)) *Cluster {
	t.Helper()
	config, context, err := restConfig(kubeconfig, "test")
	if err != nil {
		t.Fatal(err)
	}
	a, err := api.New(api.Config{REST: config, Context: "test"}, api.NewHealth(report))
	if err != nil {
		t.Fatal(err)
	}
	c := newCluster(context.Namespace, a, to, testLog())
	run(t, c)
	return c
}

// run runs a Cluster until the test ends, and fails the test if Run does not return then.
func run(t *testing.T, c *Cluster) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("Run did not end")
		}
	})
}

// dial dials with a timeout, and closes the connection.
func dial(t *testing.T, c *Cluster, address string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := c.DialContext(ctx, "tcp", address)
	if err == nil {
		conn.Close()
	}
	return err
}

func testLog() zerolog.Logger { return zerolog.Nop() }

func at(namespace, pod, uid string, port int) endpoint {
	return endpoint{Namespace: namespace, Pod: pod, UID: uid, Port: port}
}

// behind returns an endpoint as one of a Service's port, "name:port".
func behind(service string, e endpoint) endpoint {
	e.Service = service
	return e
}

// restConfig returns client-go's configuration for a context of the kubeconfig at path.
func restConfig(path, name string) (*rest.Config, kubeconfig.Context, error) {
	k := kubeconfig.Load(path)
	return k.RESTConfig(name)
}

// newPodFacts returns a Pod, read as from an API server.
func newPodFacts(t *testing.T, pod *corev1.Pod) objects.Pod {
	t.Helper()
	pod = pod.DeepCopy()
	pod.Kind = "Pod"
	return objecttest.Read(t, pod, api.ObjectOf("Pod", objects.ReadPod))
}
