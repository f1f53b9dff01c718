package clustertest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// holder is the environment variable that makes the test program start a cluster, print its process id and state
// directory, and wait.
const holder = "CLUSTERTEST_HOLD"

func TestMain(m *testing.M) {
	if os.Getenv(holder) != "" {
		c, err := Launch(context.Background(), Options{NoControllers: true})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(c.PID(), c.State)
		select {}
	}
	goleak.VerifyTestMain(m)
}

func TestClusterServesKubectlAndItsControlSocket(t *testing.T) {
	c := Start(t, Options{})
	nodes, err := c.Kubectl(t.Context(), "get", "nodes", "-o", "name")
	if err != nil || string(nodes) != "node/node-1\n" {
		t.Fatalf("%q, %v", nodes, err)
	}
	if _, err := c.Kubectl(t.Context(), "get", "nodes", "--context=demo-team"); err == nil || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("alice sees the nodes: %v", err)
	}
	before := stats(t, c)
	if pod := before.Pod("default", "hello"); !strings.HasPrefix(pod.Name, "hello-") || pod.Gone {
		t.Fatalf("%+v", pod)
	}
	if err := c.PassWebSockets(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	body := fetch(t, c, "/big?bytes=3000001")
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != PatternSHA256(3000001) {
		t.Errorf("%d bytes, not the pattern", len(body))
	}
	after := stats(t, c)
	if after.Sessions[SPDY] != before.Sessions[SPDY]+1 || after.Sessions[WebSocket] != before.Sessions[WebSocket] {
		t.Errorf("translated by the API server: %v, then %v", before.Sessions, after.Sessions)
	}
	if pod := after.Pod("default", "hello"); pod.Streams == 0 || pod.BytesOut < 3000001 {
		t.Errorf("%+v", pod)
	}
	waitFor(t, "nothing is open", func() bool { s := stats(t, c); return s.SessionsOpen() == 0 && s.StreamsOpen() == 0 })
	for name, err := range map[string]error{
		"drop streams":  c.DropStreams(t.Context(), "default/db-0"),
		"drop sessions": c.DropSessions(t.Context(), ""),
		"refuse":        c.RefuseUpgrades(t.Context(), SPDY, http.StatusForbidden),
		"middlebox":     c.RefuseAtMiddlebox(t.Context(), WebSocket, http.StatusBadRequest),
		"delay":         c.Delay(t.Context(), "default/db-0", time.Millisecond, time.Millisecond),
		"blackhole":     c.Blackhole(t.Context(), "", true),
		"kill":          c.KillContainer(t.Context(), "default/db-1", ""),
		"heal":          c.Heal(t.Context()),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := c.DropStreams(t.Context(), "default/nobody"); err == nil || !strings.Contains(err.Error(), "does not run here") {
		t.Errorf("dropping the streams of an unknown pod: %v", err)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(c.State); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the state directory is left: %v", err)
	}
}

// fetch requests a page of the Deployment hello through kubectl port-forward.
func fetch(t *testing.T, c *Cluster, path string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	forward := c.KubectlCommand(ctx, "port-forward", "service/hello", ":80")
	output, err := forward.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := forward.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = forward.Wait() // killed
	}()
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(line)
	transport := &http.Transport{DisableKeepAlives: true}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func stats(t *testing.T, c *Cluster) Stats {
	t.Helper()
	s, err := c.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestClusterEndsWithTheProgramThatStartedIt(t *testing.T) {
	if _, err := Binary(t.Context(), os.Stderr); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program)
	command.Env = append(os.Environ(), holder+"=1")
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	number, state, _ := strings.Cut(strings.TrimSpace(line), " ")
	pid, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait() // killed
	waitFor(t, "the cluster is gone", func() bool { return !lives(pid) })
	if _, err := os.Stat(state); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the state directory is left: %v", err)
	}
}

// lives reports whether a process runs, and is not a zombie.
func lives(pid int) bool {
	status, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && !bytes.HasPrefix(bytes.TrimSpace(status), []byte("Z"))
}

func TestLaunchThatIsCancelledLeavesNoCluster(t *testing.T) {
	if _, err := Binary(t.Context(), os.Stderr); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	canceled := errors.New("canceled by the test")
	log := &firstWrite{then: func() { cancel(canceled) }}
	if _, err := Launch(ctx, Options{Log: log}); !errors.Is(err, canceled) {
		t.Errorf("%v", err)
	}
}

// firstWrite calls a function at the cluster's first output.
type firstWrite struct{ then func() }

func (w *firstWrite) Write(p []byte) (int, error) {
	w.then()
	return len(p), nil
}

func TestCacheKeyFollowsTheSources(t *testing.T) {
	dir := t.TempDir()
	key := func() string {
		t.Helper()
		k, err := cacheKey(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module m\n")
	write("main.go", "package main\n")
	first := key()
	write("main_test.go", "package main\n")
	write("notes.txt", "of no weight")
	if key() != first {
		t.Error("a test or a note changes the key")
	}
	write("go.sum", "a line\n")
	second := key()
	write("main.go", "package main // changed\n")
	if second == first || key() == second {
		t.Error("a source changes nothing")
	}
}

func TestPruneKeepsTheNewestBinaries(t *testing.T) {
	cache := t.TempDir()
	for age, name := range []string{"current", "newest", "second", "third", "oldest"} {
		if err := os.Mkdir(filepath.Join(cache, name), 0o700); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(-time.Duration(age) * 24 * time.Hour)
		if err := os.Chtimes(filepath.Join(cache, name), when, when); err != nil {
			t.Fatal(err)
		}
	}
	if err := prune(cache, "current"); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	if strings.Join(left, " ") != "current newest second" {
		t.Errorf("left: %v", left)
	}
}

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30 s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
