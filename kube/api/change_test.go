package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"k8s.io/client-go/rest"

	"fairlead/kube/fault"
)

// changedBy returns a client of an API server that answers every request with a status and a body, and what was requested.
// A status of 0 means no answer.
func changedBy(t *testing.T, status int, body string) (client *Client, requests func() []string) {
	t.Helper()
	var mutex sync.Mutex
	var requested []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		mutex.Lock()
		requested = append(requested, fmt.Sprintf("%s %s %s", r.Method, r.URL.Path, text))
		mutex.Unlock()
		if status == 0 {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	client, err := New(Config{REST: &rest.Config{Host: server.URL}, Context: "test"}, NewHealth(nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdle)
	t.Cleanup(client.Login.Begin(func() {}))
	return client, func() []string {
		mutex.Lock()
		defer mutex.Unlock()
		return slices.Clone(requested)
	}
}

func refusal(code int, message string) string {
	text, err := json.Marshal(map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message})
	if err != nil {
		panic(err) // it can be encoded
	}
	return string(text)
}

var web = Question{Resource: "deployments.apps", Namespace: "shop", Name: "web"}

func TestAChangeIsSentOnceAndWithTheUIDThatItIsFor(t *testing.T) {
	client, requests := changedBy(t, 201, `{"kind": "Deployment", "metadata": {"name": "web", "uid": "a-uid"}}`)
	made, err := client.Create(t.Context(), web, map[string]any{"kind": "Deployment"})
	if err != nil || made.UID != "a-uid" {
		t.Errorf("made %+v, %v", made, err)
	}
	if err := client.Delete(t.Context(), web, "a-uid"); err != nil {
		t.Error(err)
	}
	want := []string{
		`POST /apis/apps/v1/namespaces/shop/deployments {"kind":"Deployment"}`,
		`DELETE /apis/apps/v1/namespaces/shop/deployments/web {"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"a-uid"},"propagationPolicy":"Foreground"}`,
	}
	if fmt.Sprintf("%q", requests()) != fmt.Sprintf("%q", want) {
		t.Errorf("requests\n%q, want\n%q", requests(), want)
	}
	client, requests = changedBy(t, 0, "")
	if _, err := client.Create(t.Context(), web, map[string]any{}); !errors.As(err, new(*fault.Unreachable)) || len(requests()) != 1 {
		t.Errorf("without an answer: %v after %d requests", err, len(requests()))
	}
}

func TestADenialIsToldFromAMissingRight(t *testing.T) {
	const cannot = `deployments.apps "web" is forbidden: User "u" cannot create resource "deployments" in API group "apps" in the namespace "shop"`
	for name, row := range map[string]struct {
		status int
		body   string
		want   any
	}{
		"a missing right":        {403, refusal(403, cannot), new(*fault.Forbidden)},
		"a quota":                {403, refusal(403, `deployments.apps "web" is forbidden: exceeded quota: few`), new(*fault.Denied)},
		"a webhook":              {400, refusal(400, `admission webhook "policy.example" denied the request: no`), new(*fault.Denied)},
		"a webhook that is away": {500, refusal(500, `Internal error occurred: failed calling webhook "policy.example"`), new(*fault.Denied)},
		"no such namespace":      {404, refusal(404, `namespaces "shop" not found`), new(*fault.Denied)},
		"there already":          {409, refusal(409, `deployments.apps "web" already exists`), new(*fault.Denied)},
		"not logged in":          {401, refusal(401, "Unauthorized"), new(*fault.Login)},
		"too many requests":      {429, refusal(429, "too many requests"), new(*fault.Unreachable)},
		"out of order":           {503, refusal(503, "the server is currently unable to handle the request"), new(*fault.Unreachable)},
		"not the API server":     {403, "<html>blocked</html>", new(*fault.Blocked)},
	} {
		client, requests := changedBy(t, row.status, row.body)
		_, err := client.Create(t.Context(), web, map[string]any{})
		if !errors.As(err, row.want) {
			t.Errorf("%s: %T %v, want %T", name, err, err, row.want)
		}
		if len(requests()) != 1 {
			t.Errorf("%s: sent %d times", name, len(requests()))
		}
	}
	client, _ := changedBy(t, 404, refusal(404, `deployments.apps "web" not found`))
	if err := client.Delete(t.Context(), web, "a-uid"); !errors.Is(err, ErrAbsent) {
		t.Errorf("delete what is gone: %v", err)
	}
	client, _ = changedBy(t, 409, refusal(409, "the UID in the precondition does not match"))
	if err := client.Delete(t.Context(), web, "a-uid"); !errors.As(err, new(*fault.Denied)) {
		t.Errorf("delete what has another UID: %v", err)
	}
}
