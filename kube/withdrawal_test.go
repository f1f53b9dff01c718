package kube

import (
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead/kube/carrier"
)

// The API server is asked about a Pod that no Service has any more. Without an answer the Pod does not count as gone.
func TestAnUnlistedPodIsAskedAbout(t *testing.T) {
	refuse := func(code int, reason string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			fail(w, code, reason, reason)
			return true
		}
	}
	for name, c := range map[string]struct {
		change func(*corev1.Pod)
		uid    string
		answer func(http.ResponseWriter, *http.Request) bool
		want   carrier.Standing
		asked  int // for two looks
	}{
		"it lives":               {uid: "uid-a", want: carrier.NotReady, asked: 2},
		"it lives, by any UID":   {uid: "", want: carrier.NotReady, asked: 2},
		"it is another":          {uid: "uid-before", want: carrier.Gone, asked: 2},
		"it was told to end":     {uid: "uid-a", change: func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Now()} }, want: carrier.Ending, asked: 2},
		"its programs are over":  {uid: "uid-a", change: func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }, want: carrier.Gone, asked: 2},
		"it is not there":        {uid: "uid-a", change: func(p *corev1.Pod) { p.Name = "b" }, want: carrier.Gone, asked: 2},
		"one may not ask":        {uid: "uid-a", answer: refuse(http.StatusForbidden, "Forbidden"), want: carrier.Unlisted, asked: 1},
		"the API server is sick": {uid: "uid-a", answer: refuse(http.StatusInternalServerError, "InternalError"), want: carrier.Unlisted, asked: 2},
	} {
		t.Run(name, func(t *testing.T) {
			server := newAPIServer(t)
			pod := testPod("team", "a", "10.244.0.1")
			if c.change != nil {
				c.change(&pod)
			}
			server.pods = append(server.pods, pod)
			server.misbehave(c.answer)
			cluster := start(t, server.kubeconfig(t, "{token: t}"), &fakeCarrier{}, nil)
			for range 2 {
				if got := cluster.resolver.standing(t.Context(), "team", "a", c.uid); got != c.want {
					t.Errorf("got %v, want %v", got, c.want)
				}
			}
			if asked := server.requests(); len(asked) != c.asked || asked[0] != "GET /api/v1/namespaces/team/pods/a" {
				t.Errorf("asked %q", asked)
			}
		})
	}
}

// That question never runs a credential plugin.
func TestAnUnlistedPodIsNotAskedAboutWithoutALogin(t *testing.T) {
	server := newAPIServer(t)
	server.pods = append(server.pods, testPod("team", "a", "10.244.0.1"))
	user := `{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, args: ["-c", "exit 1"], interactiveMode: Never}}`
	c := start(t, server.kubeconfig(t, user), &fakeCarrier{}, nil)
	if got := c.resolver.standing(t.Context(), "team", "a", "uid-a"); got != carrier.Unlisted {
		t.Errorf("got %v", got)
	}
	if asked := server.requests(); len(asked) != 0 {
		t.Errorf("asked %q", asked)
	}
}
