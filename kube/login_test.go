package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/kube/fault"
)

func TestPluginsThatFailAreNamedAndTheirOutputIsNot(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "web-1")
	script := func(body string) string {
		path := filepath.Join(t.TempDir(), "plugin")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, test := range map[string]struct{ command, mode, want string }{
		"missing":     {"fairlead-no-such-plugin", "Never", "executable not found"},
		"failing":     {script("echo s3cret; exit 3"), "Never", "exit code 3"},
		"chatty":      {script("echo 's3cret: [s3cret'"), "Never", "its output is not an ExecCredential"},
		"empty":       {script(`echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential"}'`), "Never", "its output has no credentials"},
		"interactive": {script("exit 0"), "Always", "asks for a terminal"},
	} {
		t.Run(name, func(t *testing.T) {
			user := fmt.Sprintf("{exec: {apiVersion: client.authentication.k8s.io/v1, command: %q, interactiveMode: %s}}", test.command, test.mode)
			c := start(t, server.kubeconfig(t, user), &fakeCarrier{}, nil)
			err := dial(t, c, "web:80")
			var login *fault.Login
			if !errors.As(err, &login) || login.Plugin != test.command || login.Err == nil || !strings.Contains(login.Err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			} else if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("secret in %v", err)
			}
		})
	}
}

func TestAFailingPluginIsNotRunForEveryDial(t *testing.T) {
	server := newAPIServer(t)
	runs := filepath.Join(t.TempDir(), "runs")
	user := fmt.Sprintf(`{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, args: ["-c", "echo run >> %s; exit 1"], interactiveMode: Never}}`, runs)
	c := start(t, server.kubeconfig(t, user), &fakeCarrier{}, nil)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if err := dial(t, c, fmt.Sprintf("web-%d:80", i)); !errors.As(err, new(*fault.Login)) {
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
	data, err := os.ReadFile(runs)
	if err != nil {
		t.Fatal(err)
	}
	// One, or two if the machine is so slow that the plugin's pause is over before the last dial.
	if n := strings.Count(string(data), "run"); n > 2 {
		t.Errorf("the plugin ran %d times for 50 dials", n)
	}
	if len(server.requests()) > 0 {
		t.Errorf("asked %q", server.requests())
	}
}

func TestALoginThatWasRenewedIsUsedAtOnce(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "web-1")
	runs := filepath.Join(t.TempDir(), "runs")
	script := fmt.Sprintf(`echo run >> %s; echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"t'$(wc -l < %s)'\"}}'`, runs, runs)
	user := fmt.Sprintf(`{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, args: ["-c", "%s"], interactiveMode: Never}}`, script)
	server.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == "Bearer t1" {
			fail(w, 401, "Unauthorized", "Unauthorized")
			return true
		}
		return false
	})
	c := start(t, server.kubeconfig(t, user), &fakeCarrier{}, nil)
	if err := dial(t, c, "web:80"); err != nil {
		t.Errorf("with a token that had expired: %v", err)
	}
}

func TestATokenFileThatIsGone(t *testing.T) {
	server := newAPIServer(t)
	server.add("team", "web", "web-1")
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, server.kubeconfig(t, fmt.Sprintf("{tokenFile: %q}", token)), &fakeCarrier{}, nil)
	if err := dial(t, c, "web:80"); err != nil {
		t.Error(err)
	}
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Kubeconfig: server.kubeconfig(t, fmt.Sprintf("{tokenFile: %q}", token)), Context: "test"}); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("Open: %v", err)
	}
}

// The cleanup of start waits for Run, so this also checks that a hanging plugin does not keep Run from ending.
func TestAPluginThatHangsHoldsUpNothing(t *testing.T) {
	server := newAPIServer(t)
	user := `{exec: {apiVersion: client.authentication.k8s.io/v1, command: sleep, args: ["1000"], interactiveMode: Never}}`
	c := start(t, server.kubeconfig(t, user), &fakeCarrier{}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := c.DialContext(ctx, "tcp", "web:80"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a client in a hurry: %v", err)
	}
	hurry, end := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer end()
	if claimed, err := inCluster(hurry, c, "example.com"); claimed || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a name that the Internet may have, too: %t, %v", claimed, err)
	}
	if claimed, err := inCluster(t.Context(), c, "www.example.com"); claimed || err != nil {
		t.Errorf("a name of the Internet: %t, %v", claimed, err)
	}
}

// Browsers fetch their settings without the user: that does not cause a login.
func TestRangesRunNoPlugin(t *testing.T) {
	server := newAPIServer(t)
	runs := filepath.Join(t.TempDir(), "runs")
	script := fmt.Sprintf(`echo run >> %s; echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"t\"}}'`, runs)
	user := fmt.Sprintf(`{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, args: ["-c", "%s"], interactiveMode: Never}}`, script)
	c := start(t, server.kubeconfig(t, user), &fakeCarrier{}, nil)
	c.Ranges(t.Context())
	if _, err := os.Stat(runs); !errors.Is(err, os.ErrNotExist) || c.LoggedIn() || len(server.requests()) > 0 {
		t.Errorf("without a login: plugin %v, logged in %t, asked %q", err, c.LoggedIn(), server.requests())
	}
	if err := c.LogIn(t.Context()); err != nil || !c.LoggedIn() {
		t.Errorf("LogIn: %v, logged in %t", err, c.LoggedIn())
	}
	before := len(server.requests())
	c.Ranges(t.Context())
	if len(server.requests()) == before {
		t.Error("with a login the API server was not asked")
	}
}
