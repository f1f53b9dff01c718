package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"fairlead/kube/fault"
	"fairlead/kube/retryafter"
)

// The bounds of one question to the API server.
const (
	attemptTimeout = 4 * time.Second  // then a connection that died unseen is given up, and another one made
	requestTimeout = 10 * time.Second // both attempts together
	maxAnswer      = 8 << 20          // bytes; twice what maxItems slices take
	maxItems       = "100"            // EndpointSlices hold 100 endpoints each
	longestPause   = 20 * time.Second // that Retry-After is obeyed for
	maxQuestions   = 32               // at a time: each has a connection of its own
)

// An api asks the API server of one context the few things that names need. It has no client-go clientset, which knows
// every kind there is and would be most of the binary.
type api struct {
	core, discovery, networking, authorization rest.Interface
	streams                                    *sliceStreams

	transport *renewable   // below all that client-go wraps around it, which keeps no connections
	unknown   *renewable   // the same for anonymous
	anonymous *http.Client // without credentials, so that it never runs a plugin
	ready     string       // URL that tells whether the API server is there
	proxy     proxyFor
	faults    faults
	refreshes bool // credentials are fetched anew after a 401
	login     *login
	health    *health
	attempt   time.Duration // attemptTimeout; shorter in tests
	asked     atomic.Uint64 // questions
	turns     chan struct{} // holds a value for each question under way
}

// newAPI makes the clients; it sends nothing. proxySource is where the configuration's proxy is set.
func newAPI(config *rest.Config, proxySource fault.ProxySource, contextName string, l *login, h *health) (*api, error) {
	config = rest.CopyConfig(config)
	// With HTTP/2 all questions share one connection, and after a laptop's sleep they all wait for the same dead one.
	config.NextProtos = []string{"http/1.1"}
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, discoveryv1.AddToScheme, networkingv1.AddToScheme, authorizationv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()

	streams, err := newSliceStreams(config, proxySource, l)
	if err != nil {
		return nil, err
	}
	via, err := throughProxy(config, proxySource)
	if err != nil {
		return nil, err
	}
	a := &api{
		streams:   streams,
		proxy:     via,
		faults:    newFaults(config, contextName),
		refreshes: l.plugin != nil || l.file != nil || config.AuthProvider != nil,
		login:     l,
		health:    h,
		attempt:   attemptTimeout,
		turns:     make(chan struct{}, maxQuestions),
	}
	base, err := l.transport(config)
	if err != nil {
		return nil, err
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		a.transport = newRenewable(*base, next)
		return boundedAnswers{a.transport}
	})
	conf, err := l.transport(config)
	if err != nil {
		return nil, err
	}
	authorized, err := transport.New(conf)
	if err != nil {
		return nil, err
	}
	client := newClient(authorized)
	if a.unknown, err = anonymous(config); err != nil {
		return nil, err
	}
	a.anonymous = newClient(a.unknown)
	for _, group := range []struct {
		path    string
		version schema.GroupVersion
		into    *rest.Interface
	}{
		{"/api", corev1.SchemeGroupVersion, &a.core},
		{"/apis", discoveryv1.SchemeGroupVersion, &a.discovery},
		{"/apis", networkingv1.SchemeGroupVersion, &a.networking},
		{"/apis", authorizationv1.SchemeGroupVersion, &a.authorization},
	} {
		config.APIPath, config.GroupVersion = group.path, &group.version
		if *group.into, err = rest.RESTClientForConfigAndClient(config, client); err != nil {
			return nil, err
		}
	}
	a.ready = a.core.Get().AbsPath("/readyz").URL().String()
	return a, nil
}

// anonymous makes a round tripper without credentials.
func anonymous(config *rest.Config) (*renewable, error) {
	conf, err := rest.AnonymousClientConfig(config).TransportConfig()
	if err != nil {
		return nil, err
	}
	next, err := transport.New(conf)
	if err != nil {
		return nil, err
	}
	return newRenewable(*conf, next), nil
}

// trust makes new connections trust the certificates in pem alone.
func (a *api) trust(pem []byte) error {
	return errors.Join(a.transport.trust(pem), a.unknown.trust(pem), a.streams.transport.trust(pem))
}

// errAbsent is the API server's 404: what was asked for by name is not there.
var errAbsent = errors.New("not in the cluster")

func (a *api) service(ctx context.Context, namespace, name string) (*corev1.Service, error) {
	answer := &corev1.Service{}
	asked := question{verb: "get", resource: "services", namespace: namespace, name: name}
	return answer, a.ask(ctx, asked, answer, func() *rest.Request {
		return a.core.Get().Namespace(namespace).Resource("services").Name(name)
	})
}

func (a *api) endpointSlices(ctx context.Context, namespace, service string) (*discoveryv1.EndpointSliceList, error) {
	answer := &discoveryv1.EndpointSliceList{}
	asked := question{verb: "list", resource: "endpointslices.discovery.k8s.io", namespace: namespace}
	return answer, a.ask(ctx, asked, answer, func() *rest.Request {
		return slicesOf(a.discovery.Get(), namespace, service).Param("limit", maxItems)
	})
}

// slicesOf makes a request one for the EndpointSlices of a Service.
func slicesOf(r *rest.Request, namespace, service string) *rest.Request {
	selector := labels.Set{discoveryv1.LabelServiceName: service}.String()
	return r.Namespace(namespace).Resource("endpointslices").Param("labelSelector", selector)
}

// servicesAt lists the Services with a ClusterIP; in all namespaces when namespace is empty.
func (a *api) servicesAt(ctx context.Context, namespace, clusterIP string) ([]corev1.Service, error) {
	answer := &corev1.ServiceList{}
	selector := fields.OneTermEqualSelector("spec.clusterIP", clusterIP).String()
	err := a.ask(ctx, question{verb: "list", resource: "services", namespace: namespace}, answer, func() *rest.Request {
		return cached(a.core.Get().NamespaceIfScoped(namespace, namespace != "").Resource("services"), selector)
	})
	return answer.Items, err
}

// podsAt lists the Pods with a first address, other than those that have ended and may have lost it to another one; in
// all namespaces when namespace is empty.
func (a *api) podsAt(ctx context.Context, namespace, podIP string) ([]corev1.Pod, error) {
	answer := &corev1.PodList{}
	selector := fields.AndSelectors(
		fields.OneTermEqualSelector("status.podIP", podIP),
		fields.OneTermNotEqualSelector("status.phase", string(corev1.PodSucceeded)),
		fields.OneTermNotEqualSelector("status.phase", string(corev1.PodFailed)),
	).String()
	err := a.ask(ctx, question{verb: "list", resource: "pods", namespace: namespace}, answer, func() *rest.Request {
		return cached(a.core.Get().NamespaceIfScoped(namespace, namespace != "").Resource("pods"), selector)
	})
	return answer.Items, err
}

// cached lets the API server answer from its memory: the list may be a moment old, and its database is left alone.
func cached(r *rest.Request, fieldSelector string) *rest.Request {
	return r.Param("fieldSelector", fieldSelector).Param("resourceVersion", "0")
}

// namespace tells whether a namespace is there; an error of its own when that may not be asked.
func (a *api) namespace(ctx context.Context, name string) error {
	asked := question{verb: "get", resource: "namespaces", namespace: name, name: name}
	return a.ask(ctx, asked, &corev1.Namespace{}, func() *rest.Request {
		return a.core.Get().Resource("namespaces").Name(name)
	})
}

// review asks whether the context's user has verb on port-forwards in namespace. Every user who is logged in may ask.
func (a *api) review(ctx context.Context, namespace, verb string) (bool, error) {
	return a.may(ctx, &authorizationv1.ResourceAttributes{
		Namespace: namespace, Verb: verb, Resource: "pods", Subresource: "portforward",
	})
}

// A question says what is asked of the API server, in RBAC's words.
type question struct{ verb, resource, namespace, name string }

// ask sends one request, gives its error as a fault, and tells health how the API server fares.
func (a *api) ask(ctx context.Context, asked question, answer runtime.Object, request func() *rest.Request) error {
	if err := a.login.ensure(ctx); err != nil {
		a.health.observe(err)
		return err
	}
	select {
	case a.turns <- struct{}{}:
		defer func() { <-a.turns }()
	case <-ctx.Done():
		return ctx.Err()
	}
	patient, cancel := context.WithTimeout(ctx, longestPause)
	defer cancel()
	a.asked.Add(1)
	for tries := 1; ; tries++ {
		pause, err := a.askOnce(ctx, asked, answer, request)
		if pause == 0 || tries == retryafter.Tries || !retryafter.Wait(patient, pause) {
			a.health.observe(err)
			return err
		}
	}
}

// askOnce sends one request, and returns the pause that its answer asks for before the next.
func (a *api) askOnce(ctx context.Context, asked question, answer runtime.Object, request func() *rest.Request) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var wish pauseWish
	err := a.send(context.WithValue(ctx, pauseKey{}, &wish), answer, request)
	if wish.after > 0 && err != nil {
		return wish.after, &fault.Unreachable{Server: a.faults.server, Err: &fault.Busy{Status: wish.status, After: wish.after}}
	}
	return 0, a.login.explain(a.faults.of(err, asked))
}

// A pauseWish is what the last answer to a request asked for by Retry-After. The request's context carries it to
// boundedAnswers, which sees the header; client-go keeps it only for some answers.
type pauseWish struct {
	status int
	after  time.Duration
}

type pauseKey struct{}

// send sends a request, twice where the first attempt says nothing about the API server: on a connection that died
// unseen, and with credentials that have been fetched anew meanwhile.
func (a *api) send(ctx context.Context, answer runtime.Object, request func() *rest.Request) error {
	attempt, cancelAttempt := context.WithTimeout(ctx, a.attempt)
	err := request().MaxRetries(0).Do(attempt).Into(answer)
	timedOut := attempt.Err() != nil
	cancelAttempt()
	if ctx.Err() == nil && (timedOut && err != nil || fault.Ended(err) || a.refreshes && isUnauthorized(err)) {
		a.closeIdle()
		if err := a.login.ensure(ctx); err != nil {
			return err
		}
		return request().MaxRetries(0).Do(ctx).Into(answer)
	}
	return err
}

// look tells whether the API server is there, with no credentials sent. It is when something that has its certificate
// answers, be it that we are unknown, and does not say that there is nobody behind it. The error is a *fault.Unreachable.
func (a *api) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.attempt)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.ready, nil)
	if err != nil {
		return a.faults.of(err, question{})
	}
	response, err := a.anonymous.Do(request)
	if err != nil {
		utilnet.CloseIdleConnectionsFor(a.anonymous.Transport)
		return a.faults.of(err, question{})
	}
	response.Body.Close()
	if response.StatusCode >= http.StatusInternalServerError {
		return &fault.Unreachable{Server: a.faults.server, Err: fmt.Errorf("it answered %d", response.StatusCode)}
	}
	return nil
}

// closeIdle lets go of the connections that are kept for the next question.
func (a *api) closeIdle() {
	utilnet.CloseIdleConnectionsFor(a.transport)
	utilnet.CloseIdleConnectionsFor(a.unknown)
	utilnet.CloseIdleConnectionsFor(a.streams.transport)
}

// boundedAnswers ends answers that are larger than anything asked for here, and notes the pause that they ask for.
type boundedAnswers struct{ next http.RoundTripper }

func (b boundedAnswers) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(r)
	if err == nil {
		response.Body = &boundedBody{response.Body, maxAnswer}
		if wish, ok := r.Context().Value(pauseKey{}).(*pauseWish); ok {
			*wish = pauseWish{response.StatusCode, retryafter.Of(response.StatusCode, response.Header)}
		}
	}
	return response, err
}

type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

var errTooLarge = &fault.Unsupported{What: fmt.Sprintf("an answer of the API server of more than %d MiB", maxAnswer>>20)}
