package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serveForwards starts fairlead serve with settings for the context demo, in which each %s stands for a free address of
// this machine. It returns these.
func serveForwards(t *testing.T, settings string) (r *running, addresses []string) {
	t.Helper()
	var free []any
	for range strings.Count(settings, "%s") {
		address := freeAddress(t)
		addresses, free = append(addresses, address), append(free, address)
	}
	config := t.TempDir()
	writeFile(t, filepath.Join(config, "fairlead", "config.yaml"), "contexts:\n  demo: "+fmt.Sprintf(settings, free...)+"\n")
	r = start(t, []string{"XDG_CONFIG_HOME=" + config}, "serve", "--kubeconfig", cluster.Kubeconfig, "--listen", "127.0.0.1:0", "demo")
	r.line(t)
	return r, addresses
}

// netcat sends text through a local port, and returns what comes back.
func netcat(t *testing.T, address, text string) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	nc := exec.CommandContext(ctx, "nc", "-N", host, port)
	nc.Stdin = strings.NewReader(text)
	out, err := nc.CombinedOutput()
	if err != nil {
		t.Errorf("nc %s: %v\n%s", address, err, out)
	}
	return string(out)
}

func TestProgramsWithoutAProxyReachTargetsThroughLocalPorts(t *testing.T) {
	pod := strings.TrimSpace(kubectl(t, "get", "pods", "-l", "app=hello", "-o", "jsonpath={.items[0].metadata.name}"))
	_, at := serveForwards(t, `{forwards: [
		{listen: %s, to: "echo.default:7"}, {listen: %s, to: "hello:http"}, {listen: %s, to: "`+pod+`.hello.default.svc:http"},
		{listen: %s, to: "`+pod+`.default.pod:http"}, {listen: %s, to: "hello.default.deployment.apps:http"}, {listen: %s, to: "none.default.deployment.apps:80"}, {listen: %s, to: "hello.default:no-such"}, {listen: %s, to: "hello.default:81"}]}`)
	if got := netcat(t, at[0], "through nc\n"); got != "through nc\n" {
		t.Errorf("the echo says %q", got)
	}
	for i, address := range at[1:5] { // a Service, one of its Pods, that Pod by its own name, and their Deployment
		if body := run(t, "", "curl", "-sS", "--noproxy", "*", "http://"+address+"/"); !strings.Contains(body, pod) && (i == 1 || i == 2) || !strings.Contains(body, "hello") {
			t.Errorf("%s answers %q", address, body)
		}
	}
	for _, address := range at[5:] {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			_, err = io.ReadAll(conn)
			_ = conn.Close()
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s, whose target does not exist, ends with %v, want a reset", address, err)
		}
	}
}

func TestForwardInTheForegroundServesItsPortAlone(t *testing.T) {
	at := freeAddress(t)
	r := start(t, nil, "forward", "--kubeconfig", cluster.Kubeconfig, "demo", "-n", "default", "svc/echo", localPort(t, at)+":echo")
	if line := r.line(t); line != "demo  "+at+" → echo.default.svc:echo" {
		t.Errorf("it prints %q", line)
	}
	if got := netcat(t, at, "in the foreground\n"); got != "in the foreground\n" {
		t.Errorf("the echo says %q", got)
	}
	if out := run(t, "", "sh", "-c", fmt.Sprintf("ss -Hltnp | grep -c 'pid=%d,'", r.cmd.Process.Pid)); strings.TrimSpace(out) != "1" {
		t.Errorf("it listens at more than its port: %q", out)
	}
	deploy := freeAddress(t)
	workload := start(t, nil, "forward", "--kubeconfig", cluster.Kubeconfig, "demo", "deploy/echo", localPort(t, deploy)+":7000")
	if line := workload.line(t); line != "demo  "+deploy+" → echo.default.deployment.apps:7000" {
		t.Errorf("it prints %q", line)
	}
	if got := netcat(t, deploy, "to a Deployment\n"); got != "to a Deployment\n" {
		t.Errorf("the echo says %q", got)
	}
	taken := start(t, nil, "forward", "--kubeconfig", cluster.Kubeconfig, "demo", "echo.default:7", localPort(t, at))
	taken.wait(t, 30*time.Second)
	want := fmt.Sprintf("process %d, already listens on %s. Stop that program, or choose another local port. `fairlead forward demo echo.default:7 LOCAL` names one.\n", r.cmd.Process.Pid, at)
	if said := taken.stderr.String(); taken.status() != 1 || !strings.HasSuffix(said, want) || strings.Count(said, "already listens") != 1 {
		t.Errorf("a port that is taken: status %d, %s, want %s", taken.status(), said, want)
	}
}

// What a foreground forward advises leads to a forward, and not to a proxy.
func TestForwardInTheForegroundAdvisesWhatItHas(t *testing.T) {
	r := servingBy(t, "contexts: {demo-team: {production: true}}\n", "demo")
	forward := func(args ...string) said {
		return r.ask(t, append([]string{"forward", "--kubeconfig", cluster.Kubeconfig}, args...)...)
	}
	local := freeAddress(t)
	r.must(t, "forward", "--background", "demo", "echo.default:7", local)
	got := forward("demo", "-n", "default", "--http", "svc/hello", localPort(t, local)+":80")
	want := fmt.Sprintf("It is the running Fairlead, process %d, with context demo. Stop that program, or choose another local port. "+
		"`fairlead forward --http -n default demo hello.default.svc:80 LOCAL` names one.\n", r.cmd.Process.Pid)
	if got.status != 1 || !strings.HasSuffix(got.stderr, want) {
		t.Errorf("a port of the running Fairlead: %+v, want %s", got, want)
	}
	missing := start(t, nil, "forward", "--kubeconfig", cluster.Kubeconfig, "demo", "svc/lost", localPort(t, freeAddress(t))+":80")
	missing.line(t)
	const note = "demo  There is no Service lost in namespace default. "
	eventually(t, "a word about the missing Service", func() bool { return strings.Contains(missing.stderr.String(), "\n"+note) })
	for target, said := range map[string]string{
		"lost.default.svc:80": note, "lost.default:80": note, "hello:81": "demo  Service default/hello has no TCP port 81", "not-ready:80": "demo  The one Pod behind Service default/not-ready is not ready.", "hello:http": "",
	} {
		if got := r.ask(t, "forward", "--background", "demo", target, freeAddress(t)); got.status != 0 || !strings.HasPrefix(got.stderr, said) || said == "" && got.stderr != "" {
			t.Errorf("forward to %s: %+v, want %q", target, got, said)
		}
	}
	free := freeAddress(t)
	got = forward("demo-team", "app:80", free)
	if want := "wants a confirmation: start it with `fairlead forward --yes demo-team app:80 " + free + "`\n"; got.status != 1 || !strings.HasSuffix(got.stderr, want) {
		t.Errorf("a production context: %+v, want %s", got, want)
	}
	got = forward("demo", "svc/hello", localPort(t, free)+":80", localPort(t, free)+":81")
	if want := "fairlead: " + free + " cannot lead to hello.default.svc:80 and to hello.default.svc:81\n"; got.status != 2 || got.stderr != want {
		t.Errorf("one port for two: %+v, want %s", got, want)
	}
}

// A port that a command makes is there again with its context, and is named, listed and removed like the settings' own.
func TestForwardInTheBackgroundIsKept(t *testing.T) {
	r, at := serveForwards(t, `{forwards: [{listen: %s, to: "hello.default:80"}]}`)
	local := freeAddress(t)
	if off := r.ask(t, "forward", "--background", "demo-team", "echo.default:7", localPort(t, local)); off.status == 0 || !strings.Contains(off.stderr, "fairlead on") {
		t.Errorf("for a context that is off: %+v", off)
	}
	if got := r.must(t, "forward", "--background", "demo", "echo.default:7", localPort(t, local)); got != "demo  "+local+" → echo.default:7\n" {
		t.Errorf("it prints %q", got)
	}
	if got := netcat(t, local, "in the background\n"); got != "in the background\n" {
		t.Errorf("the echo says %q", got)
	}
	for _, taken := range []string{at[0], local} {
		got := r.ask(t, "forward", "--background", "demo", "web.default:80", localPort(t, taken))
		if taken == at[0] && (got.status != 1 || !strings.Contains(got.stderr, "context demo, for hello.default:80")) {
			t.Errorf("the settings' own port: %+v", got)
		}
		want := fmt.Sprintf("%s leads to echo.default:7 (tcp) in context demo already: `fairlead unforward demo %[1]s` removes that, and --replace replaces it", local)
		if taken == local && (got.status != 1 || !strings.Contains(got.stderr, want)) {
			t.Errorf("another target for a port that a command made: %+v, want %s", got, want)
		}
	}
	if got := r.ask(t, "forward", "--background", "--replace", "demo", "web.default:80", localPort(t, at[0])); got.status != 1 || !strings.Contains(got.stderr, "choose another local port") {
		t.Errorf("the settings' own port, replaced: %+v", got)
	}
	if got := netcat(t, local, "not replaced\n"); got != "not replaced\n" {
		t.Errorf("the echo says %q", got)
	}
	r.must(t, "forward", "--background", "demo", "echo.default:7", localPort(t, local)) // which it leads to already
	r.must(t, "forward", "--background", "--replace", "demo", "web.default:80", localPort(t, local))
	if body := run(t, "", "curl", "-sS", "--noproxy", "*", "http://"+local+"/"); !strings.Contains(body, "web") {
		t.Errorf("the port leads to %q, not to its new target", body)
	}
	foreign, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	if got := r.ask(t, "forward", "--background", "demo", "web.default:80", localPort(t, foreign.Addr().String())); got.status != 1 || !strings.Contains(got.stderr, "app.test") {
		t.Errorf("another program's port: %+v", got)
	}
	if got := r.must(t, "forwards", "-o", "name"); got != at[0]+"\n"+local+"\n" {
		t.Errorf("the list is %q", got)
	}
	r.must(t, "restart", "demo")
	if body := run(t, "", "curl", "-sS", "--noproxy", "*", "http://"+local+"/"); !strings.Contains(body, "web") {
		t.Errorf("after a restart the port leads to %q", body)
	}
	r.must(t, "off", "demo")
	for _, address := range []string{at[0], local} {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			t.Errorf("%s listens while its context is off", address)
		}
	}
	if got := r.ask(t, "unforward", localPort(t, at[0])); got.status != 1 || !strings.Contains(got.stderr, "config.yaml: remove it there") {
		t.Errorf("the settings' own port: %+v", got)
	}
	r.must(t, "unforward", "web.default:80")
	if got := r.must(t, "forwards", "-o", "name"); got != at[0]+"\n" {
		t.Errorf("the list is %q", got)
	}
}

// A local port that a command made outlives a Fairlead that was killed. What names none is answered in one sentence.
func TestForwardsOutliveAKilledFairlead(t *testing.T) {
	r := servingBy(t, "", "demo")
	local := freeAddress(t)
	for _, row := range []struct {
		status int
		stderr string
		args   []string
	}{
		{0, "No context has a fixed local port.", []string{"forwards"}},
		{0, "", []string{"forward", "--background", "demo", "echo.default:7", local}},
		{0, "Context demo-team has no fixed local port.", []string{"forwards", "demo-team"}},
		{2, `fairlead: no context "nope" in the running Fairlead, which has demo, demo-team`, []string{"forwards", "nope"}},
		{2, "fairlead: no local port is called 9: `fairlead forwards` lists them", []string{"unforward", "9"}},
		{2, "fairlead: no local port is called " + localPort(t, local) + ": `fairlead forwards` lists them", []string{"unforward", "demo-team", localPort(t, local)}},
		{2, "fairlead: name one local port: its number, its address or its target", []string{"unforward"}},
	} {
		if got := r.ask(t, row.args...); got.status != row.status || strings.TrimSuffix(got.stderr, "\n") != row.stderr {
			t.Errorf("fairlead %s: %+v, want %d and %q", strings.Join(row.args, " "), got, row.status, row.stderr)
		}
	}
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-r.ended
	if got := r.ask(t, "forwards"); got.status != 4 || !strings.Contains(got.stderr, "no Fairlead is running") {
		t.Errorf("without a Fairlead: %+v", got)
	}
	again := start(t, r.home(), "serve", "--kubeconfig", cluster.Kubeconfig, "demo")
	again.line(t)
	if got := netcat(t, local, "after the kill\n"); got != "after the kill\n" {
		t.Errorf("the echo says %q", got)
	}
}

// A port that another program has is said when the settings are checked, with its line, and again when the context is on.
// It is opened when it is free.
func TestATakenLocalPortIsSaidBeforeAndAfterTheStart(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	at := taken.Addr().String()
	r, others := serveForwards(t, `{forwards: [{listen: `+at+`, to: "echo.default:7"}, {listen: %s, to: "echo.default:7"}]}`)
	file := filepath.Join(r.state, "config", "fairlead", "config.yaml") // that of the commands, which r.home leads to
	writeFile(t, file, `contexts: {demo: {forwards: [{listen: `+others[0]+`, to: "echo.default:7"},
  {listen: `+at+`, to: "echo.default:7"}]}}`+"\n")
	if got := r.ask(t, "settings", "check", "--kubeconfig", cluster.Kubeconfig); got.status != 1 || strings.Count(got.stdout, "config.yaml:") != 1 ||
		!strings.Contains(got.stdout, "config.yaml:2: ") || !strings.Contains(got.stdout, "app.test") {
		t.Errorf("the check says %+v", got)
	}
	if text := r.must(t, "status"); !strings.Contains(text, at+" is not forwarded to echo.default:7") || !strings.Contains(text, "app.test") {
		t.Errorf("the status is %s", text)
	}
	if text := r.must(t, "forwards"); !strings.Contains(text, "failed") {
		t.Errorf("the list is %s", text)
	}
	if got := netcat(t, others[0], "another port\n"); got != "another port\n" {
		t.Errorf("the echo says %q", got)
	}
	taken.Close()
	eventually(t, "the port is opened", func() bool { return !strings.Contains(r.must(t, "forwards"), "failed") })
	if got := netcat(t, at, "free again\n"); got != "free again\n" {
		t.Errorf("the echo says %q", got)
	}
}

// localPort returns the port of an address.
func localPort(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
