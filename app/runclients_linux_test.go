package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fairlead/build/testoutput"
)

// Programs of Go look names up by themselves, or by the C library.
func TestResolversOfGoInside(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, resolver := range []string{"go", "cgo"} {
		for name, want := range map[string][]string{
			"hello.default.svc.cluster.local": {
				"198.18.0. [hello.default.svc.cluster.local.] <nil>", "fd5e:a1fa:1ead:: [hello.default.svc.cluster.local.] <nil>",
				"http hello.default.svc.cluster.local. 80",
			},
			"db.default.svc.cluster.local": {
				"198.18.0. [db.default.svc.cluster.local.] <nil>", "fd5e:a1fa:1ead:: [db.default.svc.cluster.local.] <nil>",
				"db db-0.db.default.svc.cluster.local. 5432", "db db-1.db.default.svc.cluster.local. 5432",
			},
		} {
			r := runInside(t, nil, nil, self)
			r.Env = append(r.Env, probeVariable+"="+name, "GODEBUG=netdns="+resolver)
			if status := r.end(t); status != 0 {
				t.Errorf("status %d, stderr:\n%s", status, &r.err)
			}
			got := strings.Split(strings.TrimSpace(r.out.String()), "\n")
			if len(got) != len(want) {
				t.Errorf("%s with the resolver %s: got:\n%s", name, resolver, &r.out)
			}
			for _, line := range want { // records come in any order
				if !strings.Contains(r.out.String(), line+"\n") {
					t.Errorf("%s with the resolver %s: no %q in:\n%s", name, resolver, line, &r.out)
				}
			}
		}
	}
}

func TestOutsideNamesAreRefusedInsideWhereAsked(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := runInside(t, nil, []string{"--dns-only-cluster"}, self)
	r.Env = append(r.Env, probeVariable+"=www.example.com", "GODEBUG=netdns=go")
	if r.end(t); !strings.Contains(r.out.String(), "server misbehaving") {
		t.Errorf("stdout:\n%sstderr:\n%s", &r.out, &r.err)
	}
}

// Database clients do real jobs by the names of their servers, and do not notice that the Pods are replaced.
func TestDatabaseClientsInsideThroughARollout(t *testing.T) {
	rolledDoors(t, "inner-postgres", startPostgres(t), 5432)
	rolledDoors(t, "inner-redis", startRedis(t), 6379)
	stop := filepath.Join(t.TempDir(), "stop")
	r := runInside(t, nil, nil, "bash", "-c", `
		while [ ! -e "$0" ]; do
			test "$(psql -h inner-postgres -U fairlead -d postgres -Atc 'select 6*7' 2>&1)" = 42 || echo psql failed
			test "$(redis-cli -h inner-redis.default ping 2>&1)" = PONG || echo redis-cli failed
			echo round
		done`, stop)
	out := &testoutput.Buffer{}
	r.Stdout = out
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	rounds := func() int { return strings.Count(out.String(), "round\n") }
	eventually(t, "a first round", func() bool { return rounds() > 0 })
	for _, name := range []string{"inner-postgres", "inner-redis"} {
		kubectl(t, "rollout", "restart", "deployment", name)
		kubectl(t, "rollout", "status", "deployment", name, "--timeout=120s")
	}
	before := rounds()
	eventually(t, "rounds after the rollout", func() bool { return rounds() > before+3 })
	if err := os.WriteFile(stop, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(); err != nil || strings.Contains(out.String(), "failed") {
		t.Errorf("%v, stdout:\n%s\nstderr:\n%s", err, out, &r.err)
	}
}

// A program inside lives on when its kubeconfig changes, and has what is new.
func TestAChangedKubeconfigIsFollowedInside(t *testing.T) {
	r := runInside(t, nil, nil, "sh", "-c", "until curl -sS -m 20 http://hello.default.svc.cluster.local/; do echo failed; sleep 0.2; done")
	file := filepath.Join(r.Dir, "kubeconfig")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	server := regexp.MustCompile(`https://127\.0\.0\.1:[0-9]+`)
	writeFile(t, file, server.ReplaceAllString(string(text), "https://127.0.0.1:9"))
	out := &testoutput.Buffer{}
	r.Stdout = out
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a failure", func() bool { return strings.Contains(out.String(), "failed\n") })
	writeFile(t, file, string(text))
	if err := r.Wait(); err != nil || !strings.Contains(out.String(), "Hello from pod default/hello") {
		t.Errorf("%v, stdout:\n%s\nstderr:\n%s", err, out, &r.err)
	}
}

// A shell inside has the terminal: it stops its children, and continues them.
func TestAShellInsideHasJobControl(t *testing.T) {
	r := runInside(t, nil, nil, "bash", "--norc", "-i")
	line := "exec"
	for _, word := range r.Args {
		line += " '" + word + "'"
	}
	onTerminal := exec.CommandContext(t.Context(), "script", "-qec", line, "/dev/null")
	onTerminal.Env = append(r.Env, "TERM=dumb", "PROMPT_COMMAND=PS1='ready> '")
	screen := &testoutput.Buffer{}
	onTerminal.Stdout, onTerminal.Stderr = screen, screen
	keys, err := onTerminal.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := onTerminal.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if t.Failed() {
			t.Logf("the screen:\n%s", screen)
			_ = onTerminal.Process.Kill()
		}
	}()
	seen := 0
	press := func(what, until string) {
		t.Helper()
		if _, err := keys.Write([]byte(what)); err != nil {
			t.Fatal(err)
		}
		eventually(t, fmt.Sprintf("%q after %q", until, what), func() bool {
			at := strings.Index(screen.String()[seen:], until)
			if at >= 0 {
				seen += at + len(until)
			}
			return at >= 0
		})
	}
	press("", "ready> ")
	press("sleep 600\n", "sleep 600")
	press("\x1a", "Stopped")
	press("jobs; echo listed\n", "\nlisted")
	press("fg\n", "\nsleep 600")
	press("\x03", "ready> ")
	press("echo status=$?\n", "status=130")
	press("curl -sS -m 20 http://hello/ | head -1\n", "Hello from pod default/hello")
	press("exit 5\n", "exit")
	if err := onTerminal.Wait(); onTerminal.ProcessState.ExitCode() != 5 {
		t.Errorf("the shell's end: %v", err)
	}
}

// Without namespaces, the reason is reported, and the program gets proxy variables if the user wants them.
func TestWithoutNamespacesTheProgramGetsVariables(t *testing.T) {
	unshare := []string{"unshare", "-m"}
	if os.Geteuid() != 0 {
		unshare = []string{"unshare", "-Urm"}
	}
	const noDevice, noRoom = "mount -t tmpfs none /dev/net", "echo 0 >/proc/sys/user/max_net_namespaces"
	for _, c := range []struct {
		unshare  []string
		before   string
		fallback bool
		status   int
		out, err string
	}{
		// A pair of devices does as well.
		{unshare, noDevice, false, 4, "Hello from pod default/hello", ""},
		{[]string{"unshare", "-Ur"}, noRoom, false, 1, "", "fairlead: This machine has no room for another namespace"},
		{[]string{"unshare", "-Ur"}, noRoom, true, 4, "Hello from pod default/hello", "fairlead: This machine has no room for another namespace (user.max_user_namespaces). The program gets proxy variables instead"},
	} {
		var flags []string
		if c.fallback {
			flags = []string{"--fallback", "env"}
		}
		r := runInside(t, nil, flags, "sh", "-c", "curl -sS -m 20 http://hello.default/ | head -1; exit 4")
		args := append(append(c.unshare, "sh", "-c", c.before+` && exec "$0" "$@"`), r.Args...)
		path, err := exec.LookPath(args[0])
		if err != nil {
			t.Fatal(err)
		}
		r.Path, r.Args, r.Err = path, args, nil
		if status := r.end(t); status != c.status || !strings.HasPrefix(r.out.String(), c.out) || !strings.HasPrefix(r.err.String(), c.err) || c.err == "" && r.err.Len() > 0 {
			t.Errorf("%s: status %d, stdout %q, stderr %q", c.before, status, &r.out, &r.err)
		}
	}
}
