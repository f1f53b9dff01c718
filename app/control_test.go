package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/app/control"
	"fairlead/app/logging"
	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/build/testport"
)

// said is what a fairlead that ended printed, with its exit status.
type said struct {
	stdout, stderr string
	status         int
}

// phase waits until a context is in a phase, and returns how long that took.
func (r *running) phase(t *testing.T, name string, want session.Phase) time.Duration {
	t.Helper()
	began := time.Now()
	for now := session.Phase(""); time.Since(began) < time.Minute; {
		var status struct{ Contexts []control.Context }
		if err := json.Unmarshal([]byte(r.must(t, "status", "-o", "json")), &status); err != nil {
			t.Fatal(err)
		}
		for _, c := range status.Contexts {
			if c.Name == name {
				now = c.Phase
			}
		}
		if now == want {
			return time.Since(began)
		}
	}
	t.Fatalf("%s is not %s after a minute", name, want)
	return 0
}

// ask runs fairlead to its end with the home directory of r.
func (r *running) ask(t *testing.T, args ...string) said {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), built, args...)
	cmd.Env = append(r.home(), "SHELL=/bin/bash")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if strings.Contains(stderr.String(), "DATA RACE") {
		t.Errorf("a data race in fairlead:\n%s", &stderr)
	}
	return said{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// must is ask for commands that must succeed.
func (r *running) must(t *testing.T, args ...string) string {
	t.Helper()
	got := r.ask(t, args...)
	if got.status != 0 {
		t.Fatalf("fairlead %s ended with %d:\n%s%s", strings.Join(args, " "), got.status, got.stdout, got.stderr)
	}
	return got.stdout
}

// serving starts serve for some contexts, whose ports are free on this machine now, as are those of demo's other
// contexts.
func serving(t *testing.T, contexts ...string) *running {
	t.Helper()
	return servingBy(t, "", contexts...)
}

// servingBy is serving with settings.
func servingBy(t *testing.T, config string, contexts ...string) *running {
	t.Helper()
	state := t.TempDir()
	testport.Assign(t, state, "demo", "demo-team")
	file := filepath.Join(state, "config", "fairlead", "config.yaml")
	if err := errors.Join(
		os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(config), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"serve", "--kubeconfig", cluster.Kubeconfig}, contexts...)
	r := start(t, []string{"XDG_STATE_HOME=" + state, "XDG_CONFIG_HOME=" + filepath.Join(state, "config"), "XDG_RUNTIME_DIR=" + filepath.Join(state, "none")}, args...)
	r.state = state
	for range contexts {
		r.line(t)
	}
	return r
}

func TestCommandsSteerTheFairleadThatRuns(t *testing.T) {
	r := serving(t, "demo")

	// A context is switched on, and with the output of env, a shell's curl reaches a Service.
	line := r.must(t, "on", "demo-team")
	name, address, ok := strings.Cut(strings.TrimSpace(line), "  socks5h://")
	if !ok || name != "demo-team" {
		t.Fatalf("on printed %q", line)
	}
	page := run(t, "", "bash", "-c", r.must(t, "env", "demo")+"curl -sS http://hello/")
	wantPage(t, page)
	if text := r.must(t, "env", "demo-team", "--for", "fish"); !strings.Contains(text, "set -gx") || !strings.Contains(text, address) {
		t.Errorf("env for fish: %s", text)
	}

	// The status shows it.
	var status struct {
		Running bool
		Program struct {
			Kind, Log string
			PID       int
		}
		Contexts []struct {
			Name, Phase, Address string
			Traffic              struct{ Total, Sent, Received uint64 }
		}
	}
	if err := json.Unmarshal([]byte(r.must(t, "status", "-o", "json")), &status); err != nil {
		t.Fatal(err)
	}
	if !status.Running || status.Program.Kind != "serve" || status.Program.PID != r.cmd.Process.Pid || len(status.Contexts) < 2 {
		t.Errorf("status %+v", status)
	}
	for _, c := range status.Contexts {
		if (c.Name == "demo" || c.Name == "demo-team") && c.Phase != "on" {
			t.Errorf("%+v", c)
		}
		if carried := c.Traffic; c.Name == "demo" && (carried.Total == 0 || carried.Sent == 0 || carried.Received < uint64(len(page))) {
			t.Errorf("demo has carried a page, and says %+v", carried)
		}
	}
	if text := r.must(t, "status"); !strings.Contains(text, "runs in the foreground") || !strings.Contains(text, address) {
		t.Errorf("status:\n%s", text)
	}
	if text := r.must(t, "list", "--kubeconfig", cluster.Kubeconfig); strings.Count(text, "  on  ") != 2 {
		t.Errorf("list:\n%s", text)
	}

	// After it is switched off, nothing listens.
	r.must(t, "off", "demo-team")
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Errorf("%s still answers", address)
	}
	if got := r.ask(t, "env", "demo-team"); got.status != 1 || !strings.Contains(got.stderr, "context demo-team is off") || got.stdout != "" {
		t.Errorf("env of one that is off: %+v", got)
	}
	r.must(t, "off", "--all")
	if text := r.must(t, "status"); !strings.Contains(text, "No context is on.") {
		t.Errorf("status:\n%s", text)
	}
	if got := r.ask(t, "on", "demo-tem"); got.status != 2 || !strings.Contains(got.stderr, "close to it: demo-team") {
		t.Errorf("on of an unknown one: %+v", got)
	}
}

func TestServicesConnectionsAndLoginsOfACluster(t *testing.T) {
	r := serving(t, "demo")
	if text := r.must(t, "services", "demo"); !strings.Contains(text, "http://hello.default.svc/") || !strings.Contains(text, "team ") {
		t.Errorf("services:\n%s", text)
	}
	if names := r.must(t, "services", "-n", "team", "-o", "name", "--context", "demo"); !strings.Contains(names, "team/") || strings.Contains(names, "default/") {
		t.Errorf("services of team: %s", names)
	}
	var found []struct {
		Namespace, Name string
		Ports           []struct{ Number int }
	}
	if err := json.Unmarshal([]byte(r.must(t, "services", "demo", "-n", "default", "-o", "json")), &found); err != nil || len(found) == 0 || found[0].Namespace != "default" {
		t.Errorf("%v, %+v", err, found)
	}
	if text := r.must(t, "login", "demo"); text != "demo  logged in\n" {
		t.Errorf("login: %q", text)
	}
	if got := r.ask(t, "services", "demo-team"); got.status != 1 || !strings.Contains(got.stderr, "context demo-team is off: `fairlead on demo-team` switches it on") {
		t.Errorf("services of what is off: %+v", got)
	}

	// A connection that carries bytes is listed as open, and closed.
	_, address, _ := strings.Cut(strings.TrimSpace(r.must(t, "on", "demo")), "://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "CONNECT hello:80 HTTP/1.1\r\nHost: hello:80\r\n\r\n")
	eventually(t, "the connection is open", func() bool {
		return strings.Contains(r.must(t, "connections", "demo", "-o", "wide"), "hello:80  open  ")
	})
	if text := r.must(t, "close", "demo"); text != "demo  1 connection closed\n" {
		t.Errorf("close: %q", text)
	}
	eventually(t, "the connection is gone", func() bool { return r.must(t, "connections") == "" })

	// A restart closes connections, too, and the context has its address still.
	again, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	fmt.Fprint(again, "CONNECT hello:80 HTTP/1.1\r\nHost: hello:80\r\n\r\n")
	eventually(t, "the connection is open", func() bool {
		return strings.Contains(r.must(t, "connections", "demo", "-o", "wide"), "hello:80  open  ")
	})
	if text := r.must(t, "restart", "demo"); text != "demo  socks5h://"+address+"\n" {
		t.Errorf("restart: %q", text)
	}
	_ = again.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := io.Copy(io.Discard, again); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection is open after a restart")
	}
}

// The browser is a program that only records how it was started. The menu's tests use real ones.
func TestOpenStartsTheBrowserOfTheSettings(t *testing.T) {
	dir := t.TempDir()
	browser, started := filepath.Join(dir, "browser"), filepath.Join(dir, "started")
	if err := os.WriteFile(browser, []byte("#!/bin/sh\necho \"$@\" > "+started+"\nexec sleep 1000\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := servingBy(t, "browser: "+browser+"\n", "demo")
	r.must(t, "open", "demo")
	if text, err := os.ReadFile(started); err != nil || !strings.Contains(string(text), "http://127.0.0.1:") || !strings.Contains(string(text), "--user-data-dir=") {
		t.Errorf("it was started with %s, %v", text, err)
	}
	if got := r.ask(t, "open", "demo-team"); got.status != 1 || !strings.Contains(got.stderr, "context demo-team is off") {
		t.Errorf("open of one that is off: %+v", got)
	}
	r.stop(t) // this closes the browser, too
}

func TestWithoutARunningFairleadCommandsSaySo(t *testing.T) {
	r := &running{state: t.TempDir()}
	for _, args := range [][]string{{"on", "demo"}, {"off", "--all"}, {"status"}, {"env", "demo"}, {"open", "demo"}} {
		got := r.ask(t, args...)
		if got.status != 4 || !strings.Contains(got.stderr, "no Fairlead is running: start one with `fairlead`") || got.stdout != "" {
			t.Errorf("%s: %+v", args, got)
		}
	}
	if got := r.ask(t, "status", "-o", "json"); got.status != 4 || strings.TrimSpace(got.stdout) != "{\n  \"running\": false\n}" {
		t.Errorf("status -o json: %+v", got)
	}
	if text := r.must(t, "list", "--kubeconfig", cluster.Kubeconfig); !strings.Contains(text, "demo-team") {
		t.Errorf("list:\n%s", text)
	}
}

func TestSocketOfAFairleadThatWasKilledIsReplaced(t *testing.T) {
	r := serving(t, "demo")
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-r.ended
	if got := r.ask(t, "status"); got.status != 4 {
		t.Errorf("status: %+v", got)
	}
	again := start(t, []string{"XDG_STATE_HOME=" + r.state, "XDG_CONFIG_HOME=" + filepath.Join(r.state, "config"), "XDG_RUNTIME_DIR=" + filepath.Join(r.state, "none")},
		"serve", "--kubeconfig", cluster.Kubeconfig, "demo")
	again.line(t)
	again.state = r.state
	if text := again.must(t, "status"); !strings.Contains(text, "demo") {
		t.Errorf("status:\n%s", text)
	}
	again.stop(t)
	if _, err := os.Lstat(filepath.Join(r.state, "fairlead", "control.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

func TestSettingsAreExplainedAndChecked(t *testing.T) {
	r := &running{state: t.TempDir()}
	file := strings.TrimSpace(r.must(t, "settings", "path"))
	if text := r.must(t, "settings", "check"); !strings.Contains(text, "there is none") {
		t.Errorf("check: %s", text)
	}
	if got := r.must(t, "settings", "example", "--write"); strings.TrimSpace(got) != file {
		t.Errorf("written to %s, want %s", got, file)
	}
	if text := r.must(t, "settings", "check"); !strings.Contains(text, "nothing is wrong") {
		t.Errorf("check: %s", text)
	}
	if r.must(t, "settings", "example") != string(settings.Example()) {
		t.Error("the example differs")
	}
	if err := os.WriteFile(file, []byte("contexts:\n  demo-tem: {outsid: refuse}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := r.ask(t, "settings", "check"); got.status != 1 || !strings.Contains(got.stderr, file+`:2: unknown key "outsid" in demo-tem: did you mean outside?`) {
		t.Errorf("check: %+v", got)
	}
	if err := os.WriteFile(file, []byte("upstreams:\n  a: {url: \"http://p\", via: b}\n  b: {url: \"http://me:hunter2@p\", via: a}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := r.ask(t, "settings", "check"); got.status != 1 || !strings.Contains(got.stderr, file+`:2: upstream a leads into itself: a → b → a`) || strings.Contains(got.stderr, "hunter2") {
		t.Errorf("check: %+v", got)
	}
	if err := os.WriteFile(file, []byte("upstreams:\n  a:\n    url: https://p\n    ca: "+file+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := r.ask(t, "settings", "check"); got.status != 1 || !strings.Contains(got.stdout, file+`:4: upstream a: the authority of its certificate: `+file+" has no certificate in PEM") {
		t.Errorf("check: %+v", got)
	}
	if err := os.WriteFile(file, []byte("contexts:\n  demo-tem: {outside: refuse}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text := r.must(t, "settings", "check", "--kubeconfig", cluster.Kubeconfig); !strings.Contains(text, "close to it: demo-team") {
		t.Errorf("check: %s", text)
	}
}

func TestLogIsShownAndFollowed(t *testing.T) {
	r := serving(t, "demo")
	if text := r.must(t, "logs"); !strings.Contains(text, "listening") || !strings.Contains(text, "context=demo") || strings.Contains(text, "{") {
		t.Errorf("logs:\n%s", text)
	}
	for _, line := range strings.Split(strings.TrimSpace(r.must(t, "logs", "-o", "json")), "\n") {
		var said struct{ Level, Time, Message string }
		if err := json.Unmarshal([]byte(line), &said); err != nil || said.Level == "" || said.Time == "" || said.Message == "" {
			t.Errorf("logs -o json printed %q: %v", line, err)
		}
	}
	following := start(t, []string{"XDG_STATE_HOME=" + r.state}, "logs", "-f")
	wait := func(what string) {
		t.Helper()
		for !strings.Contains(following.line(t), what) {
		}
	}
	wait("listening")
	r.must(t, "on", "demo-team")
	wait("context=demo-team")
	// A new log file replaces the log.
	log := filepath.Join(r.state, "fairlead", logging.FileName)
	if err := os.Rename(log, log+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(log, []byte(`{"level":"info","time":"2026-11-21T12:00:00Z","message":"begun \u001b[31manew"}`+"\nno JSON\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wait("begun \uFFFD[31manew")
	wait("no JSON")
	if text := r.must(t, "logs", "--output", "json"); !strings.HasSuffix(text, "\n"+`{"message":"no JSON"}`+"\n") {
		t.Errorf("logs -o json printed:\n%s", text)
	}
	began := time.Now()
	following.stop(t)
	if following.status() != 0 || time.Since(began) > 10*time.Second {
		t.Errorf("status %d", following.status())
	}
}

func TestLogLinesSayTheirContextAndUnits(t *testing.T) {
	r := serving(t, "demo")
	wantPage(t, run(t, "", "bash", "-c", r.must(t, "env", "demo")+"curl -sS http://hello/"))
	r.must(t, "off", "demo")
	r.stop(t)
	ofTheProgram := map[string]bool{"started": true, "ended": true, "control request": true}
	seen := map[string]int{}
	for _, line := range strings.Split(strings.TrimSpace(r.must(t, "logs", "-o", "json")), "\n") {
		var said struct {
			Message, Context, From, Reason, Pod, Namespace          string
			LastedMS, SentBytes, ReceivedBytes, Connections, Lasted float64
		}
		if err := json.Unmarshal([]byte(strings.NewReplacer(`"lasted_ms"`, `"lastedMS"`, `"sent_bytes"`, `"sentBytes"`, `"received_bytes"`, `"receivedBytes"`).Replace(line)), &said); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		seen[said.Message]++
		if said.Context != "demo" && !ofTheProgram[said.Message] && said.From == "" {
			t.Errorf("no context: %s", line)
		}
		switch said.Message {
		case "connection":
			if said.LastedMS <= 0 || said.SentBytes <= 0 || said.ReceivedBytes <= 0 {
				t.Errorf("no units: %s", line)
			}
		case "session ended":
			if said.Reason != "closed" || !strings.HasPrefix(said.Pod, "hello-") || said.Namespace != "default" || said.LastedMS <= 0 {
				t.Errorf("of a session: %s", line)
			}
			seen["carried"] += int(said.Connections)
		}
	}
	if seen["connection"] != 1 || seen["session ended"] == 0 || seen["carried"] != 1 {
		t.Errorf("seen %v", seen)
	}
}

func TestMistakesAreReportedInOneSentence(t *testing.T) {
	r := serving(t, "demo")
	for line, want := range map[string]string{
		"on nonsense":               `no context "nonsense" in the running Fairlead, which has demo, demo-team`,
		"off demo x":                `no context "x" in the running Fairlead, which has demo, demo-team`,
		"open demi":                 `no context "demi" in the running Fairlead; close to it: demo`,
		"env demo --for cobol":      `no snippet for "cobol"; there are bash,`,
		"env a b":                   `env takes one context, and got "b" as well`,
		"serve x":                   `no context "x" in the kubeconfig, which has `,
		"serve demo --listen x:1":   "--listen x:1 is not an IP address and a port, such as 127.0.0.1:1080",
		"serve demo --listen [::1]": "--listen [::1] is not an IP address and a port, such as 127.0.0.1:1080",
	} {
		args := strings.Fields(line)
		if args[0] == "serve" {
			args = append(args, "--kubeconfig", cluster.Kubeconfig)
		}
		if got := r.ask(t, args...); got.status != 2 || got.stdout != "" || !strings.HasPrefix(got.stderr, "fairlead: "+want) || strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("fairlead %s: status %d\n%s%s", line, got.status, got.stdout, got.stderr)
		}
	}
}

func TestShellsGetTheirCompletion(t *testing.T) {
	r := &running{state: t.TempDir()}
	for _, shell := range []string{"bash", "fish", "powershell", "zsh"} {
		if text := r.must(t, "completion", shell); !strings.Contains(text, " for fairlead ") {
			t.Errorf("completion %s: %.200s", shell, text)
		}
	}
	if got := r.ask(t, "completion", "tcsh"); got.status != 2 || got.stdout != "" || !strings.Contains(got.stderr, `no completion for "tcsh"`) {
		t.Errorf("completion tcsh: %+v", got)
	}
}

// One Fairlead serves the command line; when it has ended, another running one does.
func TestCommandLineFindsTheRemainingFairlead(t *testing.T) {
	first := serving(t, "demo")
	second := start(t, first.home(), "serve", "--kubeconfig", cluster.Kubeconfig, "--listen", "127.0.0.1:0", "demo-team")
	second.line(t)
	answers := func(want *running) bool {
		return strings.Contains(first.ask(t, "status").stdout, fmt.Sprintf("process %d,", want.cmd.Process.Pid))
	}
	if !answers(first) {
		t.Error("the first one lost the command line to the second")
	}
	first.stop(t)
	eventually(t, "the second one answers", func() bool { return answers(second) })
	if got := first.must(t, "env", "demo-team"); !strings.Contains(got, "HTTP_PROXY") {
		t.Errorf("env: %s", got)
	}
	second.stop(t)
	if got := first.ask(t, "status"); got.status != 4 {
		t.Errorf("after both have ended: %+v", got)
	}
}

func TestSettingsHoldForWhatTheCommandsSwitch(t *testing.T) {
	r := servingBy(t, `
contexts:
  demo: {password: true, listen: 0.0.0.0}
  demo-team: {production: true, auto-off: 5s}
`, "demo")
	// The password is generated, required, and part of env's output.
	env := r.must(t, "env", "demo")
	wantPage(t, run(t, "", "bash", "-c", env+"curl -sS http://hello/"))
	if text := r.must(t, "status"); !strings.Contains(text, "0.0.0.0:") || !strings.Contains(text, "Other machines") {
		t.Errorf("an address for everybody is not warned of:\n%s", text)
	}
	if text := r.must(t, "on", "demo"); strings.Contains(text, "@") || !strings.Contains(text, "socks5h://127.0.0.1:") {
		t.Errorf("on prints the password: %s", text)
	}
	_, secret, _ := strings.Cut(env, "fairlead:")
	secret, _, _ = strings.Cut(secret, "@")
	if len(secret) < 20 {
		t.Fatalf("no password in %s", env)
	}
	for _, args := range [][]string{{"status", "-o", "json"}, {"list", "-o", "json", "--kubeconfig", cluster.Kubeconfig}, {"logs"}} {
		if strings.Contains(r.must(t, args...), secret) {
			t.Errorf("%s has the password", args)
		}
	}

	// A production context needs a confirmation, and turns itself off.
	if got := r.ask(t, "on", "demo-team"); got.status != 1 || !strings.Contains(got.stderr, "`fairlead on --yes demo-team`") {
		t.Errorf("on of production: %+v", got)
	}
	r.must(t, "on", "--yes", "demo-team")
	r.phase(t, "demo-team", session.Off)
}

// A tray that cannot be shown takes nothing from a running serve, and a serve that recreates its socket keeps its start
// time.
func TestATrayWithoutADesktopLeavesTheControlSocketToTheServe(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	r := serving(t, "demo")
	began := r.began(t)
	for range 3 {
		if got := r.ask(t, "--kubeconfig", cluster.Kubeconfig); got.status != exitNoDesktop {
			t.Errorf("without a desktop: %+v", got)
		}
		if got := r.ask(t, "status"); got.status != 0 {
			t.Errorf("status straight after that: %+v", got)
		}
	}
	if now := r.began(t); !now.Equal(began) {
		t.Errorf("it began at %s, and then at %s", began, now)
	}
	path, err := filepath.Glob(filepath.Join(r.state, "fairlead", "*.sock"))
	if err != nil || len(path) != 1 {
		t.Fatalf("control sockets: %q, %v", path, err)
	}
	if err := os.Remove(path[0]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it answers again", func() bool { return r.ask(t, "status").status == 0 })
	if now := r.began(t); !now.Equal(began) {
		t.Errorf("it began at %s, and at another socket at %s", began, now)
	}
}

// began returns the start time that the Fairlead in the home of r reports.
func (r *running) began(t *testing.T) time.Time {
	t.Helper()
	var status struct{ Program struct{ Since time.Time } }
	if err := json.Unmarshal([]byte(r.must(t, "status", "-o", "json")), &status); err != nil || status.Program.Since.IsZero() {
		t.Fatalf("began: %v", err)
	}
	return status.Program.Since
}
