package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fairlead/app/logging"
	"fairlead/app/session"
	"fairlead/build/testport"
)

// listeners returns the TCP addresses at which a process listens.
func listeners(t *testing.T, pid int) []string {
	t.Helper()
	own := map[string]bool{} // inodes of its sockets
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		link, err := os.Readlink(filepath.Join(dir, file.Name()))
		if inode, ok := strings.CutPrefix(link, "socket:["); ok && err == nil {
			own[strings.TrimSuffix(inode, "]")] = true
		}
	}
	var found []string
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if errors.Is(err, fs.ErrNotExist) {
			continue // no IPv6
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(text), "\n") {
			if f := strings.Fields(line); len(f) > 9 && f[3] == "0A" && own[f[9]] {
				found = append(found, procAddress(t, f[1]))
			}
		}
	}
	return found
}

// procAddress parses an IPv4 address in the kernel's form, and returns others unchanged.
func procAddress(t *testing.T, text string) string {
	t.Helper()
	host, port, _ := strings.Cut(text, ":")
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		t.Fatal(err)
	}
	ip, err := strconv.ParseUint(host, 16, 32)
	if err != nil {
		return text
	}
	addr := netip.AddrFrom4([4]byte{byte(ip), byte(ip >> 8), byte(ip >> 16), byte(ip >> 24)})
	return netip.AddrPortFrom(addr, uint16(number)).String()
}

// No port serves the commands or carries connections, and none is outside the loopback.
func TestNothingButTheProxiesListens(t *testing.T) {
	t.Parallel()
	s := serveTeam(t)
	want := []string{s.demo, s.team}
	got := listeners(t, s.cmd.Process.Pid)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("with a connection open it listens at %q, want %q", got, want)
	}
	s.must(t, "off", "demo-team")
	s.phase(t, "demo-team", session.Off)
	if got := listeners(t, s.cmd.Process.Pid); !slices.Equal(got, []string{s.demo}) {
		t.Errorf("with one context off it listens at %q, want %q", got, s.demo)
	}
	s.open.stillEchoes(t)
}

// Users who can write to the kubeconfig can add contexts, and no more: a new one is listed, is off, and nothing is run
// for it.
func TestAContextThatIsNewIsOffAndRunsNothing(t *testing.T) {
	t.Parallel()
	s := serveTeam(t)
	text, err := os.ReadFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	ran := filepath.Join(t.TempDir(), "ran")
	writeFile(t, s.settings, fmt.Sprintf("contexts:\n  new:\n    port: %d\n", testport.Free(t)))
	for list, item := range map[string]string{
		"clusters": `{name: new, cluster: {server: "https://127.0.0.1:1"}}`,
		"users":    `{name: new, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: touch, args: ["` + ran + `"], interactiveMode: Never}}}`,
		"contexts": "{name: new, context: {cluster: new, user: new}}",
	} {
		text = []byte(strings.Replace(string(text), "\n"+list+":\n", "\n"+list+":\n- "+item+"\n", 1))
	}
	writeFile(t, s.file, string(text))
	s.phase(t, "new", session.Off) // once the change is read
	s.must(t, "list", "--kubeconfig", s.file)
	s.open.stillEchoes(t)
	if _, err := os.Stat(ran); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the new context's program ran: %v", err)
	}
	// A click runs it.
	s.must(t, "on", "new")
	eventually(t, "the new context's program runs", func() bool { _, err := os.Stat(ran); return err == nil })
}

// Nothing needs root: an ordinary user without capabilities can use everything, and the machine stays unchanged.
func TestAnOrdinaryUserIsEnough(t *testing.T) {
	t.Parallel()
	home, err := os.MkdirTemp("", "ordinary") // the user can enter its parents
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	config := kubectl(t, "config", "view", "--raw", "--flatten", "--kubeconfig", cluster.Kubeconfig)
	program, err := os.ReadFile(built)
	if err != nil {
		t.Fatal(err)
	}
	file, copied := filepath.Join(home, "kubeconfig"), filepath.Join(home, "program")
	if err := errors.Join(os.WriteFile(file, []byte(config), 0o600), os.WriteFile(copied, program, 0o755)); err != nil {
		t.Fatal(err)
	}
	var system []string // what a program could change as root
	for _, path := range []string{"/etc/hosts", "/etc/resolv.conf", "/proc/net/route"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		system = append(system, path, string(text))
	}
	as := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		const nobody = 65534
		as.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		if err := errors.Join(os.Chown(home, nobody, nobody), os.Chown(file, nobody, nobody)); err != nil {
			t.Fatal(err)
		}
	}
	address := fmt.Sprintf("127.0.0.1:%d", testport.Free(t))
	serve := exec.Command(copied, "serve", "--kubeconfig", file, "--listen", address, "demo")
	serve.Env = append((&running{state: home}).home(), "HOME="+home)
	serve.Dir, serve.SysProcAttr, serve.Stderr = home, as, t.Output()
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = serve.Process.Signal(os.Interrupt)
		_ = serve.Wait()
	})
	eventually(t, "the proxy listens", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	curl := exec.CommandContext(t.Context(), "curl", "-sS", "--max-time", "60", "--proxy", "socks5h://"+address, "http://hello/")
	curl.Dir, curl.SysProcAttr, curl.WaitDelay = home, as, time.Second
	page, err := curl.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, page)
	}
	wantPage(t, string(page))
	var header = unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3, Pid: int32(serve.Process.Pid)}
	var may [2]unix.CapUserData
	if err := unix.Capget(&header, &may[0]); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 && (may[0].Effective|may[1].Effective|may[0].Permitted|may[1].Permitted) != 0 {
		t.Errorf("its capabilities are %+v", may)
	}
	for i := 0; i < len(system); i += 2 {
		if text, err := os.ReadFile(system[i]); err != nil || string(text) != system[i+1] {
			t.Errorf("%s was changed (%v):\n%s", system[i], err, text)
		}
	}
}

// The path that a client requests of a Service is private, whether the request succeeds or fails.
func TestThePathOfARequestIsInNoLog(t *testing.T) {
	t.Parallel()
	r := serving(t, "demo")
	env := r.must(t, "env", "demo")
	for _, line := range []string{
		"curl -sS 'http://hello/p4th?token=s3cret'",
		"curl -sS -u me:s3cret -H 'Cookie: s3cret' -H 'Referer: http://hello/p4th' -d body=s3cret http://hello/",
		"curl -sS 'http://me:s3cret@nosuch.default.svc/p4th?token=s3cret'",
		"curl -sS 'http://hello:9/p4th'", "curl -sS -A s3cret 'http://echo:7/p4th?s3cret'",
		"curl -s --proxytunnel --proxy-user me:s3cret 'http://nosuch.default.svc/p4th?s3cret' || true",
	} {
		run(t, "", "bash", "-c", env+line)
	}
	logged := func() string { return r.must(t, "logs", "-o", "json") }
	eventually(t, "all are logged", func() bool { return strings.Count(logged(), `"target":`) >= 6 })
	file, err := os.ReadFile(filepath.Join(r.state, "fairlead", logging.FileName))
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{
		"logs": logged(), "file": string(file), "stderr": r.stderr.String(), "status": r.must(t, "status") + r.must(t, "status", "-o", "json"),
	} {
		for _, secret := range []string{"p4th", "s3cret", "me:"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s has %q:\n%s", what, secret, text)
			}
		}
	}
}

// Users who can create a namespace called com must not get http://example.com/ by that, unless the settings name that
// namespace.
func TestANamespaceThatIsCalledComTakesNoPublicName(t *testing.T) {
	kubectl(t, "create", "namespace", "com")
	defer kubectl(t, "delete", "namespace", "com", "--wait=false")
	kubectl(t, "create", "service", "clusterip", "example", "--tcp=80", "-n", "com")
	internet := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "outside: "+r.URL.String()) }))
	t.Cleanup(internet.Close)
	for _, row := range []struct{ settings, want string }{
		{"", "outside: http://example.com/"},
		{"  namespaces: [com]\n", "503"}, // the Service has no Pod
		{"  namespace: com\n", "503"},
	} {
		state := t.TempDir()
		writeFile(t, filepath.Join(state, "config", "fairlead", "config.yaml"), "defaults:\n  forward-unresolved: true\n"+row.settings)
		r := start(t, []string{
			"XDG_STATE_HOME=" + state, "XDG_CONFIG_HOME=" + filepath.Join(state, "config"), "XDG_RUNTIME_DIR=" + filepath.Join(state, "none"),
			"HTTP_PROXY=" + internet.URL, "HTTPS_PROXY=" + internet.URL, "http_proxy=" + internet.URL, "https_proxy=" + internet.URL, "NO_PROXY=", "no_proxy=",
		}, "serve", "--kubeconfig", cluster.Kubeconfig, "--listen", "127.0.0.1:0", "demo")
		_, address, _ := strings.Cut(r.line(t), "socks5h://")
		if said := run(t, "", "curl", "-sS", "-w", " %{http_code}", "--proxy", "http://"+address, "http://example.com/"); !strings.Contains(said, row.want) {
			t.Errorf("with %q in the settings a client gets %q, want %q", row.settings, said, row.want)
		}
		r.stop(t)
	}
}
