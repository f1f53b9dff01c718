package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/app/command"
	"fairlead/app/control"
	"fairlead/app/table"
)

func TestOnOffAndRestartSayWhatTheyDid(t *testing.T) {
	h := newHome(t, "a", "b")
	at, _ := h.serve(t, "a", "b")
	url := func(i int) string { return fmt.Sprintf("%s  socks5h://%s\n", []string{"a", "b"}[i], at[i]) }
	for _, row := range []struct{ line, want string }{
		{"stop b", "b  off\n"},
		{"off b", "b  was off already\n"},
		{"off a b", "a  off\nb  was off already\n"},
		{"off --all", "No context was on.\n"},
		{"start b --context=", url(1)},
		{"on --context b", url(1)},
		{"on", url(0)}, // the current context
		{"restart", url(0)},
		{"restart a b", url(0) + url(1)},
		{"off --all", "a  off\nb  off\n"},
	} {
		if got := h.must(t, strings.Fields(row.line)...); got != row.want {
			t.Errorf("fairlead %s: %q, want %q", row.line, got, row.want)
		}
	}
	if status, stdout, stderr := h.run(t, "restart", "a"); status != 1 || stdout != "" || stderr != "fairlead: context \"a\": it is not on: `fairlead on a` starts it\n" {
		t.Errorf("restart of what is off: %d %q %q", status, stdout, stderr)
	}
}

// keepConnected keeps a connection for a target open at a proxy until stop is called. Its dial into the cluster ends after
// seconds, because the API server does not answer, and then there is another one.
func keepConnected(t *testing.T, address, host string) (stop func()) {
	t.Helper()
	request := append([]byte{5, 1, 0, 5, 1, 0, 3, byte(len(host))}, host...)
	ctx, cancel := context.WithCancel(context.Background())
	var keeping sync.WaitGroup
	keeping.Go(func() {
		for ctx.Err() == nil {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
			if err != nil {
				continue
			}
			ended := context.AfterFunc(ctx, func() { _ = conn.Close() })
			_, _ = conn.Write(append(request, 0, 80))
			_, _ = io.Copy(io.Discard, conn)
			ended()
			_ = conn.Close()
		}
	})
	stop = sync.OnceFunc(func() { cancel(); keeping.Wait() })
	t.Cleanup(stop)
	return stop
}

func TestConnectionsAreListedAndClosed(t *testing.T) {
	h := newHome(t, "a", "b")
	at, _ := h.serve(t, "a", "b")
	stopA, stopB := keepConnected(t, at[0], "hello.default"), keepConnected(t, at[1], "other.default")
	var open []struct {
		Context, Protocol, Client, Target, Stage string
		Sent, Received                           *int64
		Since                                    time.Time
	}
	eventually(t, "two connections", func() bool {
		if err := json.Unmarshal([]byte(h.must(t, "connections", "-o", "json")), &open); err != nil {
			t.Fatal(err)
		}
		return len(open) == 2 && open[0].Stage == "dial" && open[1].Stage == "dial"
	})
	if c := open[0]; c.Context != "a" || c.Target != "hello.default:80" || c.Protocol != "socks5" || !strings.HasPrefix(c.Client, "127.0.0.1:") || c.Sent == nil || c.Since.IsZero() {
		t.Errorf("%+v", c)
	}
	eventually(t, "only those of b", func() bool {
		text := h.must(t, "connections", "b", "-o", "wide")
		if strings.Contains(text, "hello.default") {
			t.Fatalf("of b:\n%s", text)
		}
		return strings.HasPrefix(text, "CONTEXT  TARGET") && strings.Count(text, "other.default:80") == 1
	})
	for line, want := range map[string]string{"close a": "a  1 connection closed\n", "close --all": "a  1 connection closed\nb  1 connection closed\n"} {
		eventually(t, line, func() bool { return h.must(t, strings.Fields(line)...) == want })
	}
	stopA()
	stopB()
	eventually(t, "no connection", func() bool {
		return h.must(t, "close", "--all") == "a  0 connections closed\nb  0 connections closed\n"
	})
	if status, stdout, stderr := h.run(t, "connections"); status != 0 || stdout != "" || stderr != "No connection is open.\n" {
		t.Errorf("%d, %q, %q", status, stdout, stderr)
	}
	if text := h.must(t, "connections", "-o", "json"); text != "[]\n" {
		t.Errorf("none as JSON: %q", text)
	}
	h.must(t, "off", "a")
	if status, _, stderr := h.run(t, "close", "a"); status != 1 || !strings.Contains(stderr, "context a is off: `fairlead on a` switches it on") {
		t.Errorf("close of what is off: %d %q", status, stderr)
	}
}

func TestConnectionsAndServicesFitTheTerminal(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	open := []control.Connection{
		{Context: "上海-生产-集群-一", ID: 1, Protocol: "socks5", Client: "127.0.0.1:40000", Target: strings.Repeat("s", 60) + ".default:80", Route: "cluster", Stage: "relay", Sent: 1 << 20, Since: now.Add(-time.Hour)},
		{Context: "b", ID: 2, Protocol: "http-connect", Client: "[::1]:40001", Target: "hello:80", Stage: "dial", Since: now},
	}
	found := []control.Service{
		{Namespace: "default", Name: "hello", Ports: []control.ServicePort{{Number: 80, Name: "http"}, {Number: 5432}}},
		{Namespace: strings.Repeat("n", 60), Name: strings.Repeat("s", 60), Ports: []control.ServicePort{{Number: 443}}},
	}
	for width := 10; width < 200; width++ {
		for _, o := range []command.Options{{}, {Output: "wide"}} {
			var text bytes.Buffer
			out := table.Output{Writer: &text, Width: width}
			if err := errors.Join(printConnections(out, o, open, now), printServices(out, o, found)); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(text.String()) {
				if line = strings.TrimSuffix(line, "\n"); table.TextWidth(line) > width {
					t.Errorf("%d: %q", width, line)
				}
			}
		}
	}
	var text bytes.Buffer
	out := table.Output{Writer: &text}
	err := errors.Join(printConnections(out, command.Options{Output: "wide"}, open, now), printServices(out, command.Options{}, found[:1]), printServices(out, command.Options{Output: "name"}, found[:1]))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "connections.txt", text.Bytes())
}

func TestServeGoesOnWithoutAContextWhosePortIsTaken(t *testing.T) {
	h := newHome(t, "a", "b")
	var listed []struct{ Port int }
	if err := json.Unmarshal([]byte(h.must(t, "list", "-o", "json")), &listed); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", listed[0].Port))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cmd := h.command(t, "serve", "a", "b")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	_ = cmd.Process.Signal(os.Interrupt)
	if waitErr := cmd.Wait(); err != nil || waitErr != nil || line != fmt.Sprintf("b  socks5h://127.0.0.1:%d\n", listed[1].Port) {
		t.Errorf("%v, %v, %q", err, waitErr, line)
	}
	if !strings.Contains(errs.String(), "a  is off: ") {
		t.Errorf("stderr %q", errs.String())
	}
}

// Commands that need a running Fairlead say so in one sentence, with what to run, and exit with 4.
func TestQuitEndsTheRunningFairlead(t *testing.T) {
	h := newHome(t, "a")
	_, ended := h.serve(t, "a")
	if got := h.must(t, "quit"); !strings.HasPrefix(got, "Fairlead has quit, process ") {
		t.Errorf("quit: %q", got)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("serve ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("serve has not ended")
	}
	for _, line := range []string{
		"quit", "status", "status --watch", "on", "off a", "off --all", "restart", "connections", "close a", "services", "login", "env", "open", "open a http://b",
	} {
		status, stdout, stderr := h.run(t, strings.Fields(line)...)
		if status != 4 || stdout != "" || stderr != "fairlead: "+ErrNotRunning.Error()+"\n" {
			t.Errorf("fairlead %s: status %d, %q, %q", line, status, stdout, stderr)
		}
	}
}

func TestWithoutACurrentContextOneMustBeNamed(t *testing.T) {
	h := newHome(t)
	for _, line := range []string{"on", "env", "open", "services", "login", "restart", "serve"} {
		status, _, stderr := h.run(t, strings.Fields(line)...)
		if status != 2 || !strings.Contains(stderr, "no contexts found in "+h.kubeconfig) {
			t.Errorf("fairlead %s: status %d, %q", line, status, stderr)
		}
	}
	text := "clusters: [{name: c, cluster: {server: \"https://127.0.0.1:1\"}}]\nusers: [{name: u, user: {token: x}}]\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n"
	if err := os.WriteFile(h.kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"on", "env", "open", "doctor", "services", "login", "restart", "serve"} {
		status, _, stderr := h.run(t, strings.Fields(line)...)
		if status != 2 || !strings.Contains(stderr, "name a context, because the kubeconfig has no current one (fairlead list shows them)") {
			t.Errorf("fairlead %s: status %d, %q", line, status, stderr)
		}
	}
}

func TestDoctorChecksTheCurrentContext(t *testing.T) {
	h := newHome(t, "a", "b")
	_ = h.server.Close()
	status, stdout, stderr := h.run(t, "doctor", "-o", "yaml")
	if status != 1 || !strings.Contains(stdout, "context: a\n") || !strings.Contains(stderr, "failed at: ") {
		t.Errorf("status %d\n%s%s", status, stdout, stderr)
	}
}

func TestALoginThatFailsSaysWhy(t *testing.T) {
	h := newHome(t, "a")
	h.serve(t, "a")
	_ = h.server.Close()
	status, stdout, stderr := h.run(t, "login")
	if status != 1 || stdout != "" || !strings.Contains(stderr, h.server.Addr().String()) {
		t.Errorf("status %d, %q, %q", status, stdout, stderr)
	}
}

func TestStatusIsWatched(t *testing.T) {
	h := newHome(t, "a", "b")
	h.serve(t, "a", "b")
	cmd := h.command(t, "status", "--watch", "-o", "json")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	decoder := json.NewDecoder(stdout)
	sees := func(want string) {
		t.Helper()
		for {
			var status struct {
				Contexts []struct{ Name, Phase string }
			}
			if err := decoder.Decode(&status); err != nil {
				t.Fatalf("never %s: %v", want, err)
			}
			on := ""
			for _, c := range status.Contexts {
				if c.Phase != "off" && c.Phase != "stopping" {
					on += c.Name
				}
			}
			if on == want {
				return
			}
		}
	}
	sees("ab")
	h.must(t, "off", "b")
	sees("a")
	h.must(t, "quit")
	if _, err := io.Copy(io.Discard, stdout); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 4 {
		t.Errorf("after the end of Fairlead: %v", err)
	}
}

func TestLogsOfAContextAndOfALevel(t *testing.T) {
	h := newHome(t, "a", "b")
	h.serve(t, "a", "b")
	h.must(t, "off", "a")
	dir := filepath.Join(h.dir, "state", "fairlead")
	file, err := os.OpenFile(filepath.Join(dir, "fairlead.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteString(`{"level":"warn","context":"a","message":"warned of a"}` + "\n" + `{"level":"error","context":"b","message":"wrong in b"}` + "\nno JSON\n")
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	text := h.must(t, "logs", "--context", "a")
	if !strings.Contains(text, "warned of a") || !strings.Contains(text, "switching on") || strings.Contains(text, "wrong in b") || strings.Contains(text, "no JSON") {
		t.Errorf("of a:\n%s", text)
	}
	text = h.must(t, "logs", "--level", "warn", "-o", "json")
	if !strings.Contains(text, "warned of a") || !strings.Contains(text, "wrong in b") || strings.Contains(text, "switching on") {
		t.Errorf("warnings:\n%s", text)
	}
	if text := h.must(t, "logs", "--level", "error", "--context", "b"); strings.Count(text, "\n") != 1 || !strings.Contains(text, "wrong in b") {
		t.Errorf("errors of b:\n%s", text)
	}
}

// A program called chromium stands for the browser.
func TestABrowserIsOpenedAtAURL(t *testing.T) {
	h := newHome(t, "a")
	bin := filepath.Join(h.dir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\nprintf '%s\\n' \"$@\" >> " + filepath.Join(h.dir, "opened") + "\nexec sleep 60\n"
	if err := os.WriteFile(filepath.Join(bin, "chromium"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(filepath.ListSeparator)+filepath.Dir(sleep))
	h.serve(t, "a")
	h.must(t, "open", "http://grafana.monitoring/d", "--browser", "chromium")
	h.must(t, "open", "a", "shop.default:8080")
	opened, err := os.ReadFile(filepath.Join(h.dir, "opened"))
	if err != nil || !bytes.Contains(opened, []byte("http://grafana.monitoring/d\n")) || !bytes.Contains(opened, []byte("http://shop.default:8080\n")) {
		t.Errorf("%v, opened %q", err, opened)
	}
	for line, want := range map[string]string{
		"open a --browser netscape": `no browser "netscape" was found; there are Chromium`,
		"open a file:///etc/passwd": "it is not a web page",
	} {
		if status, _, stderr := h.run(t, strings.Fields(line)...); status != 1 || !strings.Contains(stderr, want) {
			t.Errorf("fairlead %s: status %d, %q", line, status, stderr)
		}
	}
}

func TestANamespaceIsKeptByOnAndNotByServe(t *testing.T) {
	h := newHome(t, "a", "b")
	namespaces := func() string {
		var lines []struct{ Name, Namespace string }
		if err := json.Unmarshal([]byte(h.must(t, "list", "-o", "json")), &lines); err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, l := range lines {
			text += l.Name + ":" + l.Namespace + " "
		}
		return text
	}
	before := namespaces()
	h.serve(t, "a", "-n", "shop")
	var status struct {
		Contexts []struct{ Name, Namespace string }
	}
	if err := json.Unmarshal([]byte(h.must(t, "status", "-o", "json")), &status); err != nil || status.Contexts[0].Namespace != "shop" {
		t.Errorf("%v, %+v", err, status)
	}
	if got := namespaces(); got != before {
		t.Errorf("serve kept its namespace: %s, before %s", got, before)
	}
	h.must(t, "on", "b", "-n", "other")
	if got := namespaces(); !strings.Contains(got, "b:other") {
		t.Errorf("on did not keep its namespace: %s", got)
	}
	if status, _, stderr := h.run(t, "on", "b", "-n", "Not/one"); status != 1 || !strings.Contains(stderr, "cannot be the name of a namespace") {
		t.Errorf("status %d, %q", status, stderr)
	}
}
