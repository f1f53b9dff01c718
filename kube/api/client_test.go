package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"fairlead/kube/jsonstream"
)

// announcing is a context that tells when it is waited for.
type announcing struct {
	context.Context
	waiting chan<- struct{}
}

func (c announcing) Done() <-chan struct{} {
	select {
	case c.waiting <- struct{}{}:
	default:
	}
	return c.Context.Done()
}

// Another question's credentials may be refused, and dropped, while a question waits to be sent.
func TestCredentialsDroppedBeforeAQuestionIsSentAreRenewed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"gitVersion": "v1.36.3"}`))
	}))
	t.Cleanup(server.Close)
	script := `echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t"}}'`
	config := &rest.Config{Host: server.URL, ExecProvider: &clientcmdapi.ExecConfig{
		APIVersion: "client.authentication.k8s.io/v1", Command: "sh", Args: []string{"-c", script},
		InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
	}}
	a, err := New(Config{REST: config, Context: "test"}, NewHealth(nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.CloseIdle)
	t.Cleanup(a.Login.Begin(func() {}))
	if err := a.Login.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range MaxQuestions {
		a.slots <- struct{}{}
	}
	waiting, result := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		_, err := Ask(announcing{t.Context(), waiting}, a, Question{Verb: "get", Resource: "/version"}, func(r *jsonstream.Reader) string { return readVersion(r) })
		result <- err
	}()
	<-waiting // for a slot, with credentials
	a.Login.Forget()
	<-a.slots
	if err := <-result; err != nil {
		t.Error(err)
	}
}
