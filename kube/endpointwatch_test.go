package kube

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"

	"fairlead/kube/fault"
	"fairlead/kube/objects"
)

// setReady changes whether a Pod of a Service is ready.
func (s *apiServer) setReady(service, pod string, ready bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slice := *s.slices[service][0].DeepCopy()
	for i := range slice.Endpoints {
		if slice.Endpoints[i].TargetRef.Name == pod {
			slice.Endpoints[i].Conditions.Ready = &ready
		}
	}
	s.slices[service] = []discoveryv1.EndpointSlice{slice}
}

func (s *apiServer) watches() (asked []string, open int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.watched), s.watching
}

// isWatched reports whether a watch keeps a Service's endpoints up to date.
func isWatched(c *Cluster, namespace, service string) bool {
	e := c.resolver.watches
	e.mu.Lock()
	defer e.mu.Unlock()
	w := e.watches[objects.ServiceKey{Namespace: namespace, Name: service}]
	return w != nil && w.live
}

func (f *fakeCarrier) standings() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.withdrawn)
}

func TestAServiceInUseIsWatched(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "a", "b")
	carrier := &fakeCarrier{}
	c := start(t, server.kubeconfig(t, "{token: t}"), carrier, nil)
	if err := dial(t, c, "web:80"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the watch", func() bool { return isWatched(c, "team", "web") })
	server.setReady("team/web", "a", false)
	waitFor(t, "the withdrawal", func() bool { return slices.Contains(carrier.standings(), "a not ready") })
	before := len(carrier.dialled())
	for range 30 {
		if err := dial(t, c, "web:80"); err != nil {
			t.Error(err)
		}
	}
	for _, endpoints := range carrier.dialled()[before:] {
		if len(endpoints) != 1 || endpoints[0].Pod != "b" {
			t.Errorf("dialled %v", endpoints)
		}
	}
	server.setReady("team/web", "a", true)
	waitFor(t, "the Pod to be back", func() bool { return slices.Contains(carrier.standings(), "a restored") })
	server.add("team", "web", "c", "d", "e")
	waitFor(t, "the new Pod's address", func() bool {
		hint, _ := c.resolver.seen.hint(netip.MustParseAddr("10.244.0.3"))
		return hint.pod.Name == "e"
	})
	waitFor(t, "the withdrawal of Pods that are gone", func() bool {
		standings := carrier.standings()
		return slices.Contains(standings, "a unlisted") && slices.Contains(standings, "b unlisted")
	})
	if asked, open := server.watches(); len(asked) != 1 || open != 1 {
		t.Errorf("asked for watches of %q, and %d are open", asked, open)
	}
	asked := server.requests()
	slices.Sort(asked)
	if len(asked) > 4 || len(slices.Compact(slices.Clone(asked))) != len(asked) { // with one request for each Pod that was tried first
		t.Errorf("asked %q", asked)
	}
}

func TestAWatchedServiceWithoutPodsHasThemAtOnce(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "a")
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	if err := dial(t, c, "web:80"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the watch", func() bool { return isWatched(c, "team", "web") })
	for range 3 {
		server.setReady("team/web", "a", false)
		waitFor(t, "no ready endpoint", func() bool { return errors.As(dial(t, c, "web:80"), new(*fault.NoEndpoints)) })
		server.setReady("team/web", "a", true)
		begun := time.Now()
		waitFor(t, "a ready endpoint", func() bool { return dial(t, c, "web:80") == nil })
		if took := time.Since(begun); took > 600*time.Millisecond {
			t.Errorf("it took %s", took)
		}
	}
}

// A dial that finds all Pods gone connects to the first new one.
func TestADialWhosePodsAreGoneWaitsForTheFirstNewOne(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "old")
	refused := make(chan struct{}, 1)
	carrier := &fakeCarrier{refuse: func(endpoints []endpoint) error {
		if endpoints[0].Pod == "old" {
			signal(refused)
			return &fault.NotFound{Kind: fault.Pod, Name: "old", Namespace: "team"}
		}
		return nil
	}}
	c := start(t, server.kubeconfig(t, "{token: t}"), carrier, nil)
	done := make(chan error, 1)
	go func() { done <- dial(t, c, "web:80") }()
	<-refused
	waitFor(t, "the watch", func() bool { return isWatched(c, "team", "web") })
	server.add("team", "web", "new")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWatchesEndSomeTimeAfterTheLastUse(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "a", "b")
	server.setReady("team/web", "b", false)
	carrier := &fakeCarrier{}
	c := start(t, server.kubeconfig(t, "{token: t}"), carrier, nil)
	c.resolver.watches.lasts = 100 * time.Millisecond
	for i := range 2 {
		if err := dial(t, c, "web:80"); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the watch to end", func() bool { asked, open := server.watches(); return len(asked) == i+1 && open == 0 })
	}
	if standings := carrier.standings(); !slices.Contains(standings, "b restored") {
		t.Errorf("without a watch, the carrier has %q", standings)
	}
	if asked := server.requests(); len(asked) != 3 { // the answers are fresh
		t.Errorf("asked %q", asked)
	}
}

func TestThereAreSoManyWatchesAndNoMore(t *testing.T) {
	server := newAPIServer(t)
	for i := range 8 {
		server.add("team", fmt.Sprintf("web-%d", i), fmt.Sprintf("pod-%d", i))
	}
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	e := c.resolver.watches
	e.most = 4
	names := func() (list []string) {
		e.mu.Lock()
		defer e.mu.Unlock()
		for key := range maps.Keys(e.watches) {
			list = append(list, key.Name)
		}
		slices.Sort(list)
		return list
	}
	for _, test := range []struct {
		spared time.Duration
		want   string
	}{
		{time.Hour, "web-0 web-1 web-2 web-3"}, // all are in use
		{0, "web-0 web-1 web-6 web-7"},
	} {
		e.spared = test.spared
		for _, i := range []int{0, 1, 2, 3, 4, 5, 0, 1, 6, 7} {
			if err := dial(t, c, fmt.Sprintf("web-%d:80", i)); err != nil {
				t.Error(err)
			}
		}
		if got := strings.Join(names(), " "); got != test.want {
			t.Errorf("watched are %s, want %s", got, test.want)
		}
		waitFor(t, "the others to end", func() bool { _, open := server.watches(); return open == 4 })
	}
}

// TestWhereThereIsNoWatch tests API servers that allow no watches, and proxies before them that let none through.
func TestWhereThereIsNoWatch(t *testing.T) {
	for name, refuse := range map[string]http.HandlerFunc{
		"forbidden":      func(w http.ResponseWriter, _ *http.Request) { fail(w, http.StatusForbidden, "Forbidden", "no watch") },
		"not for proxy":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"ends at once":   func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "application/json") },
		"is no watch":    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"held back":      func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"always too old": func(w http.ResponseWriter, _ *http.Request) { fail(w, http.StatusGone, "Expired", "too old") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newAPIServer(t)
			server.add("team", "web", "a", "b")
			server.refuse = refuse
			carrier := &fakeCarrier{}
			c := start(t, server.kubeconfig(t, "{token: t}"), carrier, func(err error) {
				if err != nil {
					t.Errorf("health: %v", err)
				}
			})
			if err := dial(t, c, "web:80"); err != nil {
				t.Fatal(err)
			}
			server.setReady("team/web", "a", false)
			waitFor(t, "the poll", func() bool { return slices.Contains(carrier.standings(), "a not ready") })
			before := len(carrier.dialled())
			for range 10 {
				if err := dial(t, c, "web:80"); err != nil {
					t.Error(err)
				}
			}
			for _, endpoints := range carrier.dialled()[before:] {
				if len(endpoints) != 1 || endpoints[0].Pod != "b" {
					t.Errorf("dialled %v", endpoints)
				}
			}
			if asked, _ := server.watches(); len(asked) > 4 {
				t.Errorf("asked for %d watches", len(asked))
			}
		})
	}
}

func TestAWatchThatIsCutIsMadeAgain(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "a", "b")
	carrier := &fakeCarrier{}
	c := start(t, server.kubeconfig(t, "{token: t}"), carrier, nil)
	if err := dial(t, c, "web:80"); err != nil {
		t.Fatal(err)
	}
	for i, cut := range []func(){
		server.CloseClientConnections,
		func() { _ = c.Look(t.Context()) }, // the machine woke up
	} {
		waitFor(t, "the watch", func() bool { return isWatched(c, "team", "web") })
		cut()
		server.setReady("team/web", "a", i%2 == 1)
		waitFor(t, "the change", func() bool {
			standings := carrier.standings()
			return len(standings) > 0 && standings[len(standings)-1] == []string{"a not ready", "a restored"}[i]
		})
		waitFor(t, "another watch", func() bool { asked, open := server.watches(); return len(asked) == i+2 && open == 1 })
	}
}

// A Service in a rollout changes many times a second. Changes in quick succession are processed once.
func TestAStormOfChangesIsWorkedOnAFewTimes(t *testing.T) {
	server := newAPIServer(t)
	var pods []string
	for i := range 1000 {
		pods = append(pods, fmt.Sprintf("pod-%d", i))
	}
	server.add("team", "web", pods...)
	carrier := &fakeCarrier{}
	c := start(t, server.kubeconfig(t, "{token: t}"), carrier, nil)
	if err := dial(t, c, "web:80"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the watch", func() bool { return isWatched(c, "team", "web") })
	const changes = 80
	before := len(carrier.standings())
	begun := time.Now()
	for i := range changes {
		server.setReady("team/web", "pod-7", i%2 == 1)
		time.Sleep(10 * time.Millisecond) // longer than the server waits before it sends them
	}
	worked := len(carrier.standings()) - before
	if most := int(time.Since(begun)/publishInterval) + 2; worked > most {
		t.Errorf("%d changes were worked on %d times, want %d at most", changes, worked, most)
	}
	server.setReady("team/web", "pod-7", false)
	waitFor(t, "the last change", func() bool { standings := carrier.standings(); return standings[len(standings)-1] == "pod-7 not ready" })
}

func TestAPodIsWithdrawnWhenNoServiceHasItAnyMore(t *testing.T) {
	a, b := objects.PodID{Namespace: "ns", Name: "a", UID: "1"}, objects.PodID{Namespace: "ns", Name: "b", UID: "2"}
	carrier := &fakeCarrier{}
	w := newWithdrawals(carrier)
	type pods = map[objects.PodID]objects.Listing
	usable, notReady, ending := objects.Listing{Usable: true}, objects.Listing{}, objects.Listing{Ending: true}
	for i, step := range []struct {
		before, after pods // of a Service
		want          string
	}{
		{nil, pods{a: usable, b: notReady}, "a restored, b not ready"},
		{nil, pods{a: usable, b: usable}, "b restored"}, // another Service
		{pods{a: usable, b: notReady}, pods{a: notReady, b: notReady}, ""},
		{pods{a: usable, b: usable}, pods{a: notReady, b: usable}, "a not ready"},
		{pods{a: notReady, b: usable}, pods{b: usable}, ""},
		{pods{a: notReady, b: notReady}, pods{a: ending, b: notReady}, "a ending"},
		{pods{a: ending, b: notReady}, pods{b: notReady}, "a unlisted"},
		{pods{b: usable}, nil, "b not ready"},
		{pods{b: notReady}, pods{a: usable, b: notReady}, "a restored"}, // it came back
		{pods{a: usable, b: notReady}, nil, "a unlisted, b unlisted"},
	} {
		carrier.withdrawn = nil
		w.change(step.before, step.after)
		slices.Sort(carrier.withdrawn)
		if got := strings.Join(carrier.withdrawn, ", "); got != step.want {
			t.Errorf("step %d: %q, want %q", i, got, step.want)
		}
	}
	if len(w.pods) != 0 {
		t.Errorf("%d Pods are remembered", len(w.pods))
	}
}

func TestPodsThatEndAreForUseWhileNoneIsReady(t *testing.T) {
	ready := objects.Member{Namespace: "ns", Pod: "ready", Ready: true}
	ending := objects.Member{Namespace: "ns", Pod: "ending", Terminating: true}
	set := objects.Endpoints{Slices: []objects.Slice{{Members: []objects.Member{ready, ending}}}}
	if pods := set.Pods(); !pods[objects.PodID{Namespace: "ns", Name: "ready", UID: ""}].Usable || pods[objects.PodID{Namespace: "ns", Name: "ending", UID: ""}].Usable {
		t.Errorf("next to a ready one: %v", pods)
	}
	set = objects.Endpoints{Slices: []objects.Slice{{Members: []objects.Member{ending}}}}
	if pods := set.Pods(); !pods[objects.PodID{Namespace: "ns", Name: "ending", UID: ""}].Usable {
		t.Errorf("alone: %v", pods)
	}
}

// A watch never causes a login. Without credentials it ends, and there are no polls.
func TestWatchesRunNoPlugin(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "a")
	runs := filepath.Join(t.TempDir(), "runs")
	script := fmt.Sprintf(`echo run >> %s; echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"t\"}}'`, runs)
	user := fmt.Sprintf(`{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, args: ["-c", "%s"], interactiveMode: Never}}`, script)
	c := start(t, server.kubeconfig(t, user), &fakeCarrier{}, func(err error) {
		if err != nil {
			t.Errorf("health: %v", err)
		}
	})
	if err := dial(t, c, "web:80"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the watch", func() bool { return isWatched(c, "team", "web") })
	c.api.Login.Forget()
	server.CloseClientConnections()
	waitFor(t, "the watch to be given up", func() bool {
		e := c.resolver.watches
		e.mu.Lock()
		defer e.mu.Unlock()
		return len(e.watches) == 0
	})
	ran := func() int {
		data, err := os.ReadFile(runs)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(data), "run")
	}
	if asked := server.requests(); ran() != 1 || len(asked) != 3 {
		t.Errorf("the plugin ran %d times, and there were %q", ran(), asked)
	}
	waitFor(t, "another watch", func() bool {
		if err := dial(t, c, "web:80"); err != nil { // it logs in again
			t.Error(err)
		}
		return isWatched(c, "team", "web")
	})
	if ran() != 2 {
		t.Errorf("the plugin ran %d times for two logins", ran())
	}
}

// A proxy may let a watch begin, and hold its events back.
func TestAWatchThatSaysNothingIsDoubted(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "old")
	server.refuse = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	gone := false
	carrier := &fakeCarrier{refuse: func(endpoints []endpoint) error {
		if gone && endpoints[0].Pod == "old" {
			return &fault.NotFound{Kind: fault.Pod, Name: "old", Namespace: "team"}
		}
		return nil
	}}
	c := start(t, server.kubeconfig(t, "{token: t}"), carrier, nil)
	if err := dial(t, c, "web:80"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the watch", func() bool { return isWatched(c, "team", "web") })
	gone = true
	server.add("team", "web", "new")
	for range 3 {
		if err := dial(t, c, "web:80"); err != nil {
			t.Error(err)
		}
	}
	if asked := server.requests(); len(asked) > 5 { // one more list, and one request for the new Pod
		t.Errorf("asked %q", asked)
	}
}

// A Service is cached for longer than its endpoints, but is asked for again before a port counts as missing.
func TestAServiceThatChangedIsLookedAtAgain(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "a")
	server.add("team", "other", "b")
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	if err := dial(t, c, "web:80"); err != nil {
		t.Fatal(err)
	}
	server.mu.Lock()
	changed := server.services["team/web"].DeepCopy()
	changed.Spec.Ports[0].Port = 81
	server.services["team/web"] = changed
	server.mu.Unlock()
	begun := time.Now()
	waitFor(t, "the new port", func() bool { return dial(t, c, "web:81") == nil })
	server.mu.Lock()
	delete(server.services, "team/web")
	delete(server.slices, "team/web")
	server.mu.Unlock()
	waitFor(t, "the Service to be gone", func() bool {
		var absent *fault.NotFound
		return errors.As(dial(t, c, "web:81"), &absent) && absent.Kind == fault.Service
	})
	if took := time.Since(begun); took > 2*errorLasts+time.Second {
		t.Errorf("it took %s", took)
	}
}

// An API server that was unreachable while a watch was asked for does not hold watches back.
func TestAWatchThatIsNotAnsweredOnceIsMadeAgainSoon(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "a")
	var ignored atomic.Int32
	server.refuse = func(w http.ResponseWriter, r *http.Request) {
		if ignored.Add(1) == 1 {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	c := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
	if err := dial(t, c, "web:80"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the watch", func() bool { _ = dial(t, c, "web:80"); return isWatched(c, "team", "web") })
	if n := ignored.Load(); n != 2 {
		t.Errorf("%d watches", n)
	}
}

func TestWatchesThatAreHeldBackAreRarelyTried(t *testing.T) {
	var r retries
	for i, row := range []struct {
		err    error
		listed bool
		want   time.Duration
	}{
		{context.DeadlineExceeded, false, firstRetry}, // the API server is unreachable
		{context.DeadlineExceeded, true, firstRetry},  // and was until a moment ago
		{context.DeadlineExceeded, true, longRetry},
		{context.DeadlineExceeded, true, longRetry},
		{errEnded, true, longRetry},
		{errEnded, false, firstRetry},
		{errEnded, true, 2 * firstRetry},
		{errEnded, true, 4 * firstRetry},
	} {
		if got := r.next(row.err, row.listed); got != row.want {
			t.Errorf("%d: after %v, lists answered: %t: %v, want %v", i, row.err, row.listed, got, row.want)
		}
	}
}
