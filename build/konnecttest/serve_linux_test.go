package konnecttest

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fairlead/build/clustertest"
	"fairlead/build/testoutput"
	"fairlead/build/testport"
)

// build builds Fairlead once.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "fairlead")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "fairlead")
	out, err := exec.Command("go", "build", "-o", path, "fairlead/app").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

// A served is a Fairlead in the foreground whose connections a Konnectivity server makes.
type served struct {
	address string // of its proxy
	cmd     *exec.Cmd
	log     *testoutput.Buffer
	ended   chan error
}

// serve runs `fairlead serve` with a server, and waits until it listens.
func (l *lab) serve(t testing.TB, mode string, args ...string) *served {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	s := &served{address: fmt.Sprintf("127.0.0.1:%d", testport.Free(t)), log: &testoutput.Buffer{}, ended: make(chan error, 1)}
	args = append([]string{
		"serve", "demo", "--carrier", "konnectivity", "--kubeconfig", l.cluster.Kubeconfig, "--namespace", "tunnel", "--listen", s.address,
		"--konnectivity-server", l.servers[mode].url.String(),
	}, args...)
	if mode != "socket" {
		file := func(name string) string { return filepath.Join(l.dir, name) }
		args = append(args, "--konnectivity-ca", file("ca.crt"), "--konnectivity-cert", file("client.crt"), "--konnectivity-key", file("client.key"))
	}
	if mode == "grpc" {
		args = append(args, "--konnectivity-mode", "grpc")
	}
	s.cmd = exec.Command(path, args...)
	s.cmd.Env = environment(t.TempDir())
	s.start(t)
	return s
}

// environment returns the environment of a Fairlead whose files are in a folder.
func environment(home string) []string {
	return append(os.Environ(), "HOME="+home, "XDG_STATE_HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_RUNTIME_DIR="+home,
		"HTTP_PROXY=", "HTTPS_PROXY=", "NO_PROXY=")
}

// start starts the command, and ends it with the test.
func (s *served) start(t testing.TB) {
	t.Helper()
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.ended <- s.cmd.Wait() }()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.ended
		if t.Failed() {
			t.Logf("fairlead:\n%s", s.log)
		}
	})
	deadline := time.Now().Add(time.Minute)
	for !s.listens() {
		select {
		case err := <-s.ended:
			s.ended <- err
			t.Fatalf("fairlead ended: %v\n%s", err, s.log)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("fairlead does not listen\n%s", s.log)
		}
	}
}

func (s *served) listens() bool {
	response, err := http.Get("http://" + s.address + "/")
	if err == nil {
		_ = response.Body.Close()
	}
	return err == nil
}

// curl runs curl through the proxy, and returns its output and status.
func (s *served) curl(t testing.TB, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "curl", append([]string{"-sS", "--proxy", "socks5h://" + s.address}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func programs(t *testing.T, l *lab, mode string) {
	s := l.serve(t, mode)
	t.Run("Curl", func(t *testing.T) {
		web := l.clusterIP(t, "tunnel", "web")
		for url, want := range map[string]string{
			"http://web/where":                          web + ":80",
			"http://web.tunnel.svc.cluster.local/where": web + ":80",
			"http://db-0.db.tunnel:8080/where":          headless + ":8080",
			"http://10.244.77.11:8080/where":            "10.244.77.11:8080",
			"http://" + outsideName + "/where":          outsideAddress + ":80", // by the cluster's DNS
			"http://" + outsideAddress + "/where":       outsideAddress + ":80",
			"http://alias.tunnel.svc/where":             outsideAddress + ":80", // an ExternalName
		} {
			if got, status := s.curl(t, url); got != want || status != 0 {
				t.Errorf("%s: %q, status %d; want %q", url, got, status, want)
			}
		}
	})
	t.Run("Answers", func(t *testing.T) {
		for url, want := range map[string]string{ // curl says the code of SOCKS 5 in brackets
			"http://refused.tunnel.svc/":        "(5)",
			"http://nobody.tunnel.svc/":         "(4)",
			"http://unready.tunnel.svc/":        "(4)",
			"http://nobody.corp.example/":       "(4)",
			"http://here.corp.example/":         "(2)", // it leads to the agent itself
			"http://127.0.0.1:1/":               "(2)",
			"http://169.254.169.254/latest":     "(2)",
			"http://host.tunnel.pod:8080/":      "(2)",
			"http://" + outsideAddress + ":81/": "(5)",
		} {
			if got, status := s.curl(t, url); !strings.Contains(got, want) || status == 0 {
				t.Errorf("%s: %q, status %d; want %s", url, got, status, want)
			}
		}
	})
	t.Run("Git", func(t *testing.T) {
		clone := filepath.Join(t.TempDir(), "clone")
		cmd := exec.CommandContext(t.Context(), "git", "-c", "http.proxy=http://"+s.address, "clone", "-q", "http://web.tunnel.svc/repository.git", clone)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if out, err := exec.Command("git", "-C", clone, "fsck", "--full").CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("GRPC", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), filepath.Join(l.dir, "grpcpeer"), "call", "grpc.tunnel.pod:50051")
		cmd.Env = append(os.Environ(), "HTTPS_PROXY=http://"+s.address, "NO_PROXY=")
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Count(string(out), "stream:") != 5 {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("200AtOnce", func(t *testing.T) { manyAtOnce(t, s) })
	t.Run("Ends", func(t *testing.T) {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		err := <-s.ended
		if s.ended <- err; err != nil {
			t.Errorf("after SIGTERM: %v", err)
		}
	})
}

// manyAtOnce makes 200 connections at the same time, and compares what each gets.
func manyAtOnce(t *testing.T, s *served) {
	want := clustertest.PatternSHA256(patternSize)
	transport := &http.Transport{Proxy: http.ProxyURL(proxyURL(s.address)), DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: 2 * time.Minute}
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range 200 {
		wg.Go(func() {
			<-start
			if got, err := digest(client, "http://web.tunnel.svc/pattern"); got != want || err != nil {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
	close(start)
	wg.Wait()
}
