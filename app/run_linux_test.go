package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// insiders are the users as whom programs are run inside a context's network: an ordinary one, and this test's own.
func insiders() map[string]*syscall.Credential {
	users := map[string]*syscall.Credential{"own user": nil}
	if os.Geteuid() == 0 {
		users["ordinary user"] = &syscall.Credential{Uid: 1001, Gid: 1001}
	}
	return users
}

// An insideRun is a fairlead run that a test starts.
type insideRun struct {
	*exec.Cmd
	out, err bytes.Buffer
}

// runInside returns a fairlead run of a program, as a user.
func runInside(t *testing.T, as *syscall.Credential, flags []string, program ...string) *insideRun {
	t.Helper()
	dir, err := os.MkdirTemp("", "fairlead-run-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	binary, config := filepath.Join(dir, "program"), filepath.Join(dir, "kubeconfig")
	text, err := os.ReadFile(cluster.Kubeconfig)
	if err := errors.Join(err, os.WriteFile(config, text, 0o600), os.Link(built, binary)); err != nil {
		t.Fatal(err)
	}
	if as != nil {
		for _, path := range []string{dir, config} {
			if err := os.Chown(path, int(as.Uid), int(as.Gid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	// Other tests have routes to 198.19.0.0/16.
	args := append(append([]string{"run", "--kubeconfig", config, "--vip-range", "198.18.0.0/16"}, flags...), "demo", "--")
	r := &insideRun{Cmd: exec.CommandContext(ctx, binary, append(args, program...)...)}
	r.Env = append(os.Environ(), "HOME="+dir, "XDG_STATE_HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_RUNTIME_DIR="+filepath.Join(dir, "none"))
	r.Dir, r.Stdout, r.Stderr = dir, &r.out, &r.err
	r.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	return r
}

// end runs the program to its end and returns its status.
func (r *insideRun) end(t *testing.T) int {
	t.Helper()
	if err := r.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	if strings.Contains(r.err.String(), "DATA RACE") {
		t.Errorf("a data race in fairlead:\n%s", &r.err)
	}
	return r.ProcessState.ExitCode()
}

func TestAProgramInsideReachesTheClusterByName(t *testing.T) {
	for user, as := range insiders() {
		t.Run(user, func(t *testing.T) {
			r := runInside(t, as, nil, "sh", "-c", `
				for name in hello hello.default hello.default.svc hello.default.svc.cluster.local; do
					curl -sS -m 20 http://$name/ | grep -q "^Hello from pod default/hello" || echo failed: $name
				done
				echo $(id -u) $(id -g) $(grep CapEff /proc/self/status)
				echo $HTTP_PROXY$https_proxy
				exit 7`)
			r.Env = append(r.Env, "HTTP_PROXY=http://127.0.0.1:1", "https_proxy=http://127.0.0.1:1")
			status := r.end(t)
			rights := "0000000000000000"
			uid, gid := os.Getuid(), os.Getgid()
			if as != nil {
				uid, gid = int(as.Uid), int(as.Gid)
			}
			got := strings.Split(r.out.String(), "\n")
			if status != 7 || len(got) < 2 || got[1] != "" || !strings.HasPrefix(got[0], fmt.Sprintf("%d %d CapEff: ", uid, gid)) ||
				uid != 0 && !strings.HasSuffix(got[0], rights) {
				t.Errorf("status %d, stdout:\n%sstderr:\n%s", status, &r.out, &r.err)
			}
		})
	}
}

// Failures are those that a program would see in the cluster, at once.
func TestFailuresInsideAreTheKernelsOwn(t *testing.T) {
	const script = `
import socket, time, errno
def attempt(host, port):
    began = time.time()
    try:
        address = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)[0][4]
        s = socket.create_connection(address, 30)
        return "connected"
    except socket.gaierror as e:
        return "no name" if e.errno == socket.EAI_NONAME else str(e)
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e))
for host, port in (("refused", 80), ("hello", 81), ("not-ready", 80), ("nosuch", 80), ("nosuch.default.svc.cluster.local", 80),
                   ("198.18.200.1", 80), ("localhost", 1)):
    print(host, port, attempt(host, port))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.connect(("10.96.0.1", 123)); u.send(b"?"); u.settimeout(10)
try: u.recv(1)
except OSError as e: print("udp", errno.errorcode.get(e.errno, str(e)))
`
	r := runInside(t, nil, []string{"--explain"}, "python3", "-c", script)
	began := time.Now()
	status := r.end(t)
	const want = `refused 80 ECONNREFUSED
hello 81 EHOSTUNREACH
not-ready 80 EHOSTUNREACH
nosuch 80 no name
nosuch.default.svc.cluster.local 80 no name
198.18.200.1 80 EHOSTUNREACH
localhost 1 ECONNREFUSED
udp ECONNREFUSED
`
	if status != 0 || r.out.String() != want {
		t.Errorf("status %d, stdout:\n%swant:\n%sstderr:\n%s", status, &r.out, want, &r.err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s: something was waited for", took)
	}
	for _, sentence := range []string{"fairlead: refused.default.svc.cluster.local:80: ", "fairlead: hello.default.svc.cluster.local:81: Service default/hello has no TCP port 81", "fairlead: not-ready.default.svc.cluster.local:80: "} {
		if strings.Count(r.err.String(), sentence) != 1 {
			t.Errorf("stderr has not once %q:\n%s", sentence, &r.err)
		}
	}
}

func TestProgramsThatCannotBeRunInside(t *testing.T) {
	script, text := filepath.Join(t.TempDir(), "script"), filepath.Join(t.TempDir(), "text")
	if err := errors.Join(os.WriteFile(script, []byte("#!/no/such/interpreter\n"), 0o755), os.WriteFile(text, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		program string
		status  int
		said    string
	}{
		{"no-such-program", 127, "fairlead: there is no program no-such-program\n"},
		{"/no/such/program", 127, "fairlead: there is no program /no/such/program\n"},
		{text, 126, "fairlead: " + text + " may not be run\n"},
		{script, 127, "cannot be started"},
	} {
		r := runInside(t, nil, nil, c.program)
		if status := r.end(t); status != c.status || !strings.Contains(r.err.String(), c.said) {
			t.Errorf("%s: status %d, stderr: %s", c.program, status, &r.err)
		}
	}
}

// A program that a signal ends ends Fairlead in the same way, and signals for Fairlead are the program's.
func TestSignalsArePassedInside(t *testing.T) {
	r := runInside(t, nil, nil, "sh", "-c", "kill -KILL $$")
	if r.end(t); r.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("after its program was killed: %s", r.ProcessState)
	}
	ready := filepath.Join(t.TempDir(), "ready")
	r = runInside(t, nil, nil, "sh", "-c", `trap 'echo caught; exit 3' TERM; touch "$0"; while :; do sleep 0.05; done`, ready)
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the program runs", func() bool { _, err := os.Stat(ready); return err == nil })
	if err := r.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = r.Wait() // its status is looked at
	if r.ProcessState.ExitCode() != 3 || r.out.String() != "caught\n" {
		t.Errorf("%s, stdout %q, stderr:\n%s", r.ProcessState, &r.out, &r.err)
	}
}

// A signal that is ignored, as with nohup, is ignored inside as well.
func TestIgnoredSignalsStayIgnoredInside(t *testing.T) {
	r := runInside(t, nil, nil, "sh", "-c", "kill -HUP $$; kill -HUP $PPID; echo alive")
	args := append([]string{"sh", "-c", `trap "" HUP; exec "$0" "$@"`}, r.Args...)
	path, err := exec.LookPath(args[0])
	if err != nil {
		t.Fatal(err)
	}
	r.Path, r.Args = path, args
	if status := r.end(t); status != 0 || r.out.String() != "alive\n" {
		t.Errorf("status %d, stdout %q, stderr:\n%s", status, &r.out, &r.err)
	}
}

// networkOf returns what /proc calls the network of a process, and an empty text if the process is gone.
func networkOf(pid int) string {
	name, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return ""
	}
	return name
}

// inNetwork returns the processes in a network.
func inNetwork(network string) (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && networkOf(pid) == network {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Whichever part is killed, and also when the program ends by itself and leaves others behind, nothing is left.
func TestNothingIsLeftInside(t *testing.T) {
	for user, as := range insiders() {
		for _, victim := range []string{"fairlead", "helper", "program", "nobody"} {
			t.Run(user+"/"+victim, func(t *testing.T) {
				// The grandchildren have groups and sessions of their own.
				r := runInside(t, as, nil, "sh", "-c", `setsid sh -c 'sleep 600 & sleep 600' & echo $$ >pid.new; mv pid.new pid; read line`)
				input, err := r.StdinPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := r.Start(); err != nil {
					t.Fatal(err)
				}
				program := 0
				eventually(t, "the program runs", func() bool {
					text, err := os.ReadFile(filepath.Join(r.Dir, "pid"))
					program, _ = strconv.Atoi(strings.TrimSpace(string(text)))
					return err == nil
				})
				network := networkOf(program)
				if network == "" || network == networkOf(os.Getpid()) {
					t.Fatalf("the program's network is %q", network)
				}
				eventually(t, "its children run", func() bool { return len(inNetwork(network)) >= 5 })
				stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", program))
				if err != nil {
					t.Fatal(err)
				}
				helper, _ := strconv.Atoi(strings.Fields(string(stat))[3])
				switch victim {
				case "fairlead":
					err = r.Process.Kill()
				case "helper":
					err = syscall.Kill(helper, syscall.SIGKILL)
				case "program":
					err = syscall.Kill(program, syscall.SIGKILL)
				default:
					err = input.Close()
				}
				if err != nil {
					t.Fatal(err)
				}
				_ = r.Wait() // by the signal, or not
				eventually(t, "all processes have ended", func() bool { return len(inNetwork(network)) == 0 })
			})
		}
	}
}

// A program's own loopback is its own, and the machine's is at a name of its own.
func TestTheMachineIsReachedInsideByItsNameOnly(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "this machine") }))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	r := runInside(t, nil, nil, "sh", "-c", "curl -sS -m 20 http://host.fairlead:$0; echo; curl -s -m 20 http://127.0.0.1:$0; echo $?", port)
	if r.end(t); r.out.String() != "this machine\n7\n" {
		t.Errorf("stdout:\n%sstderr:\n%s", &r.out, &r.err)
	}
}

// ClusterIPs and addresses of Pods are the cluster's.
func TestAddressesInsideAreTheClusters(t *testing.T) {
	service := strings.TrimSpace(kubectl(t, "get", "service", "hello", "-o", "jsonpath={.spec.clusterIP}"))
	pod := strings.TrimSpace(kubectl(t, "get", "pod", "-l", "app=hello", "-o", "jsonpath={.items[0].status.podIP}"))
	r := runInside(t, nil, nil, "sh", "-c", `for to in "$@"; do curl -sS -m 20 http://$to/ | head -1; done`, "sh", service, pod+":8080")
	if r.end(t); strings.Count(r.out.String(), "Hello from pod default/hello") != 2 {
		t.Errorf("stdout:\n%sstderr:\n%s", &r.out, &r.err)
	}
}

func TestAThousandConnectionsInside(t *testing.T) {
	const script = `
import socket, concurrent.futures
def one(i):
    with socket.create_connection(("echo", 7), 60) as s:
        text = b"%d " % i * 1000
        s.sendall(text)
        got = b""
        while len(got) < len(text):
            part = s.recv(65536)
            if not part: raise EOFError(i)
            got += part
        return got == text
with concurrent.futures.ThreadPoolExecutor(50) as pool:
    print(sum(pool.map(one, range(1000))))
`
	for user, as := range insiders() {
		r := runInside(t, as, nil, "python3", "-c", script)
		if status := r.end(t); status != 0 || r.out.String() != "1000\n" {
			t.Errorf("%s: status %d, stdout %q, stderr:\n%s", user, status, &r.out, &r.err)
		}
	}
}
