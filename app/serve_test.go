package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"fairlead/app/logging"
	"fairlead/build/testport"
)

// run runs a program of the test machine to its end, and fails the test if the program fails or is missing.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	// A proxy in the test machine's environment would take the traffic for Fairlead.
	cmd.Env = append(os.Environ(), "NO_PROXY=", "no_proxy=", "GIT_TERMINAL_PROMPT=0", "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// goClient returns a Go program's HTTP client with the proxy set in the usual way.
func goClient(t *testing.T, proxy string) *http.Client {
	t.Helper()
	u, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{Proxy: http.ProxyURL(u)}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

func get(client *http.Client, url string) (string, error) {
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, response.Status, body)
	}
	return string(body), err
}

// The Pod's name in an answer proves the path, because nothing else leads to a Pod of this cluster.
const helloFrom = "Hello from pod default/hello-"

func TestEveryClientReachesAServiceByName(t *testing.T) {
	address := serve(t, "demo")
	const page = "http://hello.default.svc.cluster.local/"
	t.Run("curl socks5h", func(t *testing.T) {
		wantPage(t, run(t, "", "curl", "-sS", "--proxy", "socks5h://"+address, page))
	})
	t.Run("curl plain HTTP", func(t *testing.T) {
		wantPage(t, run(t, "", "curl", "-sS", "--proxy", "http://"+address, page))
	})
	t.Run("curl CONNECT", func(t *testing.T) {
		wantPage(t, run(t, "", "curl", "-sS", "--proxytunnel", "--proxy", "http://"+address, page))
	})
	t.Run("Go over SOCKS5", func(t *testing.T) { wantGet(t, "socks5h://"+address, page) })
	t.Run("Go over HTTP", func(t *testing.T) { wantGet(t, "http://"+address, page) })
	t.Run("short name", func(t *testing.T) { wantGet(t, "http://"+address, "http://hello/") })
	t.Run("any case, trailing dot", func(t *testing.T) { wantGet(t, "http://"+address, "http://Hello.Default.SVC./") })
}

func wantPage(t *testing.T, body string) {
	t.Helper()
	if !strings.Contains(body, helloFrom) {
		t.Errorf("the answer does not come from the pod:\n%s", body)
	}
}

func wantGet(t *testing.T, proxy, page string) {
	t.Helper()
	body, err := get(goClient(t, proxy), page)
	if err != nil {
		t.Fatal(err)
	}
	wantPage(t, body)
}

func TestGitClonesFromARepositoryInThePod(t *testing.T) {
	address := serve(t, "demo")
	repositories, content := bareRepository(t)
	execPath := strings.TrimSpace(run(t, "", "git", "--exec-path"))
	server := httptest.NewServer(&cgi.Handler{
		Path: filepath.Join(execPath, "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + repositories, "GIT_HTTP_EXPORT_ALL=1"},
	})
	defer server.Close()
	host := door(t, "git", server.Listener.Addr().String())

	for _, proxy := range []string{"socks5h://" + address, "http://" + address} {
		clone := filepath.Join(t.TempDir(), "clone")
		run(t, "", "git", "-c", "http.proxy="+proxy, "clone", "-q", "http://"+host+"/demo.git", clone)
		got, err := os.ReadFile(filepath.Join(clone, "file"))
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("through %s the clone differs (%v)", proxy, err)
		}
	}
}

// bareRepository creates demo.git with one commit of a file of random bytes.
func bareRepository(t *testing.T) (root string, content []byte) {
	t.Helper()
	root, work := t.TempDir(), t.TempDir()
	content = make([]byte, 1<<20)
	rand.Read(content)
	if err := os.WriteFile(filepath.Join(work, "file"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, work, "git", "init", "-q", ".")
	run(t, work, "git", "add", "file")
	run(t, work, "git", "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "-q", "-m", "one file")
	run(t, work, "git", "clone", "-q", "--bare", work, filepath.Join(root, "demo.git"))
	return root, content
}

func TestTwoHundredConnectionsAtOnceKeepTheirBytes(t *testing.T) {
	address := serve(t, "demo")
	var group errgroup.Group
	for range 200 {
		group.Go(func() error { return echoOnce(t, address, 200<<10) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// echoOnce sends random bytes to the echo program and requires the same ones back.
func echoOnce(t *testing.T, address string, size int) error {
	return echoThrough(t, address, "echo.default", 7, size)
}

// echoThrough is echoOnce with an echo program elsewhere.
func echoThrough(t *testing.T, address, host string, port, size int) error {
	conn, reply := socks5(t, address, host, port)
	if reply != 0 {
		return fmt.Errorf("%s:%d: SOCKS reply %d", host, port, reply)
	}
	defer conn.Close()
	sent := make([]byte, size)
	rand.Read(sent)
	var group errgroup.Group
	group.Go(func() error {
		_, err := conn.Write(sent)
		return err
	})
	got := make([]byte, size)
	_, err := io.ReadFull(conn, got)
	if err := errors.Join(err, group.Wait()); err != nil {
		return err
	}
	if sha256.Sum256(sent) != sha256.Sum256(got) {
		return errors.New("the echo differs from what was sent")
	}
	return nil
}

func TestCancelledDownloadsLeaveThePathWhole(t *testing.T) {
	address := serve(t, "demo")
	client := goClient(t, "socks5h://"+address)
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://hello.default/big?bytes=33554432", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, response.Body, 64<<10); err != nil {
			t.Fatal(err)
		}
		cancel()
		response.Body.Close()
	}
	for i := range 100 {
		if _, err := get(client, "http://hello.default/"); err != nil {
			t.Fatalf("request %d after the cancelled downloads: %v", i, err)
		}
	}
}

func TestARefusedPortLeavesAnOpenConnectionAlive(t *testing.T) {
	address := serve(t, "demo")
	open, reply := socks5(t, address, "echo.default", 7)
	if reply != 0 {
		t.Fatalf("SOCKS reply %d", reply)
	}
	wantEcho(t, open, "before")
	// Another port of the same Pod: the same session could carry both.
	pod := strings.TrimSpace(kubectl(t, "get", "pods", "-l", "app=echo", "-o", "jsonpath={.items[0].status.podIP}"))
	for range 5 {
		if _, reply := socks5(t, address, pod, 9); reply != 5 {
			t.Errorf("a closed port is answered with SOCKS %d, want 5", reply)
		}
	}
	wantEcho(t, open, "after")
}

func wantEcho(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		t.Fatalf("echo of %q: %q, %v", text, got, err)
	}
}

func TestAHalfClosedClientGetsItsWholeAnswer(t *testing.T) {
	address := serve(t, "demo")
	conn, reply := socks5(t, address, "five-lines.default", 7005)
	if reply != 0 {
		t.Fatalf("SOCKS reply %d", reply)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if lines := bytes.Count(answer, []byte("\n")); err != nil || lines != 5 {
		t.Errorf("%d of 5 lines, %v:\n%s", lines, err, answer)
	}
}

func TestAClientThatWaitsForTheEndGetsIt(t *testing.T) {
	address := serve(t, "demo")
	for _, c := range []struct {
		host string
		port int
		send string
		want string
	}{
		{"echo.default", 7, "all of it", "all of it"}, // echo ends at the end of input, which the runtime does not pass on
		{"after-eof.default", 7004, "question", ""},   // answers at an end of input that never comes
	} {
		t.Run(c.host, func(t *testing.T) {
			t.Parallel()
			conn, reply := socks5(t, address, c.host, c.port)
			if reply != 0 {
				t.Fatalf("SOCKS reply %d", reply)
			}
			if _, err := io.WriteString(conn, c.send); err != nil {
				t.Fatal(err)
			}
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			// The deadline set by socks5 bounds this.
			if answer, err := io.ReadAll(conn); err != nil || string(answer) != c.want {
				t.Errorf("answer %q, %v; want %q and an end", answer, err, c.want)
			}
		})
	}
}

func TestDataSentTogetherWithConnectArrives(t *testing.T) {
	address := serve(t, "demo")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "CONNECT echo.default:7 HTTP/1.1\r\nHost: echo.default:7\r\n\r\nearly bytes"); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for !bytes.HasSuffix(got, []byte("early bytes")) {
		chunk := make([]byte, 512)
		n, err := conn.Read(chunk)
		if err != nil {
			t.Fatalf("after %q: %v", got, err)
		}
		got = append(got, chunk[:n]...)
	}
	if !bytes.HasPrefix(got, []byte("HTTP/1.1 200 ")) {
		t.Errorf("answer %q", got)
	}
}

// Plain-HTTP targets reach the Pod as through a tunnel, unless Fairlead has to parse them.
func TestTargetsReachThePodAsTheyAre(t *testing.T) {
	address := serve(t, "demo")
	ask := func(tunnel bool, path string) string {
		conn, target := net.Conn(nil), "http://hello.default"+path
		if tunnel {
			conn, _ = socks5(t, address, "hello.default", 80)
			target = path
		} else {
			var err error
			if conn, err = net.Dial("tcp", address); err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: hello.default\r\n\r\n", target); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%q: %v", target, err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatalf("%q: %v", target, err)
		}
		_, rest, _ := strings.Cut(string(body), "\npath: ")
		path, _, _ = strings.Cut(rest, "\n")
		return fmt.Sprintf("%d %s %s", response.StatusCode, path, response.Header.Get("Location"))
	}
	for path, want := range map[string]string{
		"/?a|b\"^{}\\\xff#%": "200 /?a|b\"^{}\\\xff#% ", "/a|b": "200 /a%7Cb ", "/\"^{}\\": "200 /%22%5E%7B%7D%5C ", "/stra\u00dfe": "200 /stra%C3%9Fe ",
		"/a%2Fb%7c": "200 /a%2Fb%7c ", "//double": "307  /double", "/x/../dots": "307  /dots", "/100%": "400  ", // the Pod's own answer
	} {
		if got := ask(false, path); got != want {
			t.Errorf("plain HTTP: %q gets %q, want %q", path, got, want)
		}
		if got := ask(true, path); got != want {
			t.Errorf("a tunnel: %q gets %q, want %q", path, got, want)
		}
	}
}

// These are the answers to bad input, in both protocols.
func TestFailuresSayWhatTheyAre(t *testing.T) {
	admin, alice := serve(t, "demo"), serve(t, "demo-team")
	// If hosts outside may be dialled, so may an endpoint that is not a Pod.
	config := t.TempDir()
	writeFile(t, filepath.Join(config, "fairlead", "config.yaml"), "defaults: {outside: refuse}\n")
	closed := start(t, []string{"XDG_CONFIG_HOME=" + config}, "serve", "--kubeconfig", cluster.Kubeconfig, "--listen", "127.0.0.1:0", "demo")
	_, within, _ := strings.Cut(closed.line(t), "socks5h://")
	for _, c := range []struct {
		what, proxy, host string
		port              int
		socks             byte
		status            int
		says              string
	}{
		{"no such Service", admin, "nobody.default", 80, 4, 502, "nobody"},
		{"no such namespace", admin, "hello.nowhere", 80, 4, 502, "nowhere"},
		{"no such port", admin, "multi.default", 81, 4, 502, "80 (http)"},
		{"no ready endpoint", admin, "not-ready.default", 80, 4, 503, "not-ready"},
		{"an endpoint that is no pod", within, "external.default", 80, 4, 502, "external"},
		{"refused", admin, "refused.default", 80, 5, 502, "refused"},
		{"forbidden", alice, "hello.default", 80, 2, 403, "default"},
		{"this machine", admin, "127.0.0.1", 9, 2, 403, "loopback"},
	} {
		t.Run(c.what, func(t *testing.T) {
			if _, reply := socks5(t, c.proxy, c.host, c.port); reply != c.socks {
				t.Errorf("SOCKS reply %d, want %d", reply, c.socks)
			}
			target := net.JoinHostPort(c.host, strconv.Itoa(c.port))
			out := run(t, "", "curl", "-sS", "-w", "\n%{http_code}", "--proxy", "http://"+c.proxy, "http://"+target+"/")
			body, status, _ := strings.Cut(strings.TrimSpace(out), "\n")
			status = strings.TrimSpace(status)
			if status != strconv.Itoa(c.status) || !strings.Contains(body, c.says) {
				t.Errorf("HTTP %s %q, want %d and %q in one sentence", status, body, c.status, c.says)
			}
		})
	}
}

func TestPlainHTTPToATargetWithoutHTTPSaysSo(t *testing.T) {
	address := serve(t, "demo")
	said := run(t, "", "curl", "-sS", "--proxy", "http://"+address, "http://five-lines.default:7005/")
	if want := "What answers at five-lines.default:7005 does not speak HTTP. Reach it through this proxy by SOCKS or CONNECT"; !strings.Contains(said, want) {
		t.Errorf("%q does not say %q", said, want)
	}
}

func TestARestrictedUserReachesWhatIsTheirs(t *testing.T) {
	address := serve(t, "demo-team")
	body, err := get(goClient(t, "http://"+address), "http://app/")
	if err != nil || !strings.Contains(body, "Hello from pod team/app-") {
		t.Errorf("%v:\n%s", err, body)
	}
}

func TestServePrintsOneLineForEachContext(t *testing.T) {
	state := t.TempDir()
	testport.Assign(t, state, "demo", "demo-team")
	r := start(t, []string{"XDG_STATE_HOME=" + state}, "serve", "--kubeconfig", cluster.Kubeconfig, "demo-team", "demo")
	for _, name := range []string{"demo-team", "demo"} {
		line := r.line(t)
		said, address, ok := strings.Cut(line, "  socks5h://")
		if !ok || said != name {
			t.Fatalf("line %q, want %s and its URL", line, name)
		}
		if conn, err := net.Dial("tcp", address); err != nil {
			t.Errorf("%s: %v", line, err)
		} else {
			conn.Close()
		}
	}
	r.stop(t)
	if r.status() != 0 {
		t.Errorf("exit status %d after Ctrl-C:\n%s", r.status(), r.stderr)
	}
}

func TestUnknownContextNamesTheClosest(t *testing.T) {
	r := start(t, nil, "serve", "--kubeconfig", cluster.Kubeconfig, "demoo")
	r.wait(t, 30*time.Second)
	if r.status() != 2 || !strings.Contains(r.stderr.String(), "close to it: demo") {
		t.Errorf("exit status %d, stderr:\n%s", r.status(), r.stderr)
	}
}

func TestABrokenKubeconfigIsNamedWithItsLine(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(broken, []byte("apiVersion: v1\nkind: Config\ncontexts:\n- name: a\n  context: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, nil, "serve", "--kubeconfig", broken, "a")
	r.wait(t, 30*time.Second)
	if r.status() != 2 || !strings.Contains(r.stderr.String(), broken+": line ") {
		t.Errorf("exit status %d, stderr:\n%s", r.status(), r.stderr)
	}
	// In addition to a good file, it hides nothing.
	both := start(t, []string{"KUBECONFIG=" + broken + string(os.PathListSeparator) + cluster.Kubeconfig}, "contexts")
	both.wait(t, 30*time.Second)
	var listed strings.Builder
	for line := range both.lines {
		listed.WriteString(line + "\n")
	}
	if !strings.Contains(listed.String(), "demo-team") || !strings.Contains(both.stderr.String(), broken) {
		t.Errorf("stdout:\n%s\nstderr:\n%s", &listed, both.stderr)
	}
}

func TestATakenPortIsAnErrorThatNamesIt(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	r := start(t, nil, "serve", "--kubeconfig", cluster.Kubeconfig, "--listen", taken.Addr().String(), "demo")
	r.wait(t, 30*time.Second)
	want := fmt.Sprintf(", process %d, already listens on %s.", os.Getpid(), taken.Addr())
	if said := r.stderr.String(); r.status() != 1 || !strings.Contains(said, "context demo: The program ") || !strings.Contains(said, want) {
		t.Errorf("exit status %d, stderr:\n%s", r.status(), r.stderr)
	}
}

func TestAPortOfTheFairleadThatRunsIsCalledSo(t *testing.T) {
	first := serving(t, "demo")
	second := start(t, first.home(), "serve", "--kubeconfig", cluster.Kubeconfig, "demo")
	second.wait(t, 30*time.Second)
	if said := second.stderr.String(); second.status() != 1 || !strings.Contains(said, fmt.Sprintf("It is the running Fairlead, process %d", first.cmd.Process.Pid)) {
		t.Errorf("exit status %d, stderr:\n%s", second.status(), said)
	}
}

func TestListenBeyondLoopbackIsRefused(t *testing.T) {
	for _, address := range []string{"0.0.0.0:1080", ":1080", "192.0.2.1:1080"} {
		r := start(t, nil, "serve", "--kubeconfig", cluster.Kubeconfig, "--listen", address, "demo")
		r.wait(t, 30*time.Second)
		if r.status() != 2 {
			t.Errorf("--listen %s: exit status %d, stderr:\n%s", address, r.status(), r.stderr)
		}
	}
}

func TestStateAndLogAreTheUsersOwn(t *testing.T) {
	r := start(t, nil, "serve", "--kubeconfig", cluster.Kubeconfig, "--listen", "127.0.0.1:0", "demo")
	r.line(t)
	r.stop(t)
	dir := filepath.Join(r.state, "fairlead")
	for path, mode := range map[string]os.FileMode{dir: os.ModeDir | 0o700, filepath.Join(dir, logging.FileName): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != mode {
			t.Errorf("%s has mode %s, want %s", path, info.Mode(), mode)
		}
	}
}

func TestStopIsBoundedWithConnectionsOpen(t *testing.T) {
	r := start(t, nil, "serve", "--kubeconfig", cluster.Kubeconfig, "--listen", "127.0.0.1:0", "demo")
	_, address, _ := strings.Cut(r.line(t), "socks5h://")
	conn, reply := socks5(t, address, "echo.default", 7)
	if reply != 0 {
		t.Fatalf("SOCKS reply %d", reply)
	}
	wantEcho(t, conn, "open")
	r.stop(t) // stop fails the test after 15 s
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("the open connection ended with %v", err)
	}
	if again, err := net.Dial("tcp", address); err == nil {
		again.Close()
		t.Error("the port is still open")
	}
}

func TestAProxyShowsItselfToItsOwnMachineAlone(t *testing.T) {
	address := serve(t, "demo")
	page := run(t, "", "curl", "-sS", "--noproxy", "*", "http://"+address+"/")
	if !strings.Contains(page, "demo") || !strings.Contains(page, "/proxy.pac") {
		t.Errorf("the proxy's page says:\n%s", page)
	}
	script := run(t, "", "curl", "-sS", "--noproxy", "*", "http://"+address+"/proxy.pac")
	if !strings.Contains(script, "function FindProxyForURL") || !strings.Contains(script, address) {
		t.Errorf("the proxy's settings for browsers are:\n%s", script)
	}
	for _, deny := range [][]string{{"-H", "Host: rebound.example"}, {"-H", "Sec-Fetch-Site: cross-site"}} {
		args := append([]string{"-sS", "--noproxy", "*"}, deny...)
		cmd := exec.CommandContext(t.Context(), "curl", append(args, "http://"+address+"/proxy.pac")...)
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "Empty reply from server") {
			t.Errorf("%v is answered %s, %v", deny, out, err)
		}
	}
}
