package kube

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"fairlead/build/clustertest"
	"fairlead/kube/fault"
)

// An API server that hangs accepts connections and sends nothing. Clients that wait get an error in time that names the API
// server. Connections that were open go on once it answers again.
func TestAnAPIServerThatHangs(t *testing.T) {
	cluster := clustertest.Start(t, clustertest.Options{})
	reports := make(chan error, 64)
	c, err := Open(Config{Kubeconfig: cluster.Kubeconfig, Context: "demo", Health: func(err error) { reports <- err }})
	if err != nil {
		t.Fatal(err)
	}
	run(t, c)
	if pod, err := ask(c, "hello:80"); err != nil {
		t.Fatal(pod, err)
	}
	waitFor(t, "the watch", func() bool { return isWatched(c, "default", "hello") })

	if err := cluster.HangAPIServer(true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cluster.HangAPIServer(false) }) // the test may have done so already
	refused := make(chan error, 3)
	begin := time.Now()
	// One whose Pod has answered, one whose Service is known but not its Pod, and one that has to be asked for.
	for _, address := range []string{"hello:80", "hello:80", "web:80"} {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_, err := askWithin(ctx, c, address)
			refused <- err
		}()
	}
	wantAway(t, "health", reports)
	t.Logf("health reported after %v", time.Since(begin))
	for range cap(refused) {
		wantAway(t, "a use", refused)
		t.Logf("refused after %v", time.Since(begin))
	}
	waitFor(t, "the watch to be given up", func() bool { return !isWatched(c, "default", "hello") })
	t.Logf("the watch was given up after %v", time.Since(begin))
	again := time.Now()
	_, err = askWithin(t.Context(), c, "hello:80")
	refused <- err
	wantAway(t, "a use that follows", refused)
	t.Logf("a use that follows is refused after %v", time.Since(again))
	if took := time.Since(begin); took > 45*time.Second {
		t.Errorf("all that took %v", took)
	}

	if err := cluster.HangAPIServer(false); err != nil {
		t.Fatal(err)
	}
	for timeout := time.After(time.Minute); ; {
		var err error
		select {
		case err = <-reports: // other errors may come before nil
		case <-timeout:
			t.Fatal("its recovery is not reported")
		}
		if err == nil {
			break
		}
	}
	if pod, err := ask(c, "hello:80"); err != nil || !strings.HasPrefix(pod, "default/hello-") {
		t.Errorf("after it went on: %q, %v", pod, err)
	}
	waitFor(t, "another watch", func() bool { return isWatched(c, "default", "hello") })
}

// wantAway fails the test unless the next error is that the API server is unreachable.
func wantAway(t *testing.T, what string, from <-chan error) {
	t.Helper()
	select {
	case err := <-from:
		var away *fault.Unreachable
		if !errors.As(err, &away) || strings.Contains(away.Server, " ") {
			t.Errorf("%s: %v", what, err)
		}
	case <-time.After(time.Minute):
		t.Fatalf("%s: nothing for a minute", what)
	}
}
