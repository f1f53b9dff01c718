package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A Fairlead that may open no more files reports that this machine lacks them, not the cluster. Each client gets an
// answer, and the context stays on.
func TestTooManyOpenFilesAreThisMachinesFault(t *testing.T) {
	r := start(t, nil, "serve", "--kubeconfig", cluster.Kubeconfig, "--listen", "127.0.0.1:0", "demo")
	_, address, ok := strings.Cut(r.line(t), "  socks5h://")
	if !ok {
		t.Fatal("no address")
	}
	var held []net.Conn
	for range 4 {
		conn, reply := socks5(t, address, "echo.default", 7)
		if reply != 0 {
			t.Fatalf("SOCKS reply %d", reply)
		}
		held = append(held, conn)
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", r.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	few := uint64(len(files) + 3)
	limit := unix.Rlimit{Cur: few, Max: few}
	if err := unix.Prlimit(r.cmd.Process.Pid, unix.RLIMIT_NOFILE, &limit, nil); err != nil {
		t.Fatal(err)
	}
	const clients = 100
	answers := make(chan string, clients)
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				answers <- err.Error()
				return
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			fmt.Fprint(conn, "CONNECT hello.default:80 HTTP/1.1\r\nHost: hello.default:80\r\n\r\n")
			response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
			if err != nil {
				answers <- err.Error()
				return
			}
			if response.StatusCode == http.StatusOK {
				answers <- "open"
				return
			}
			body, _ := io.ReadAll(response.Body) // a partial body is compared, too
			answers <- fmt.Sprint(response.StatusCode, " ", response.Header.Get("Proxy-Status"), " ", string(body))
		})
	}
	counts := map[string]int{}
	for range clients {
		counts[<-answers]++
	}
	wg.Wait()
	const want = "There are too many open files on this machine"
	for answer, n := range counts {
		if answer != "open" && !(strings.HasPrefix(answer, "503 ") && strings.Contains(answer, want) && strings.Contains(answer, "error=connection_limit_reached")) {
			t.Errorf("%d clients: %s", n, answer)
		}
	}
	if counts["open"] == clients {
		t.Error("the limit was not met")
	}
	for _, conn := range held {
		wantEcho(t, conn, "still open")
	}
	if told := r.stderr.String(); strings.Contains(told, "cluster not reached") {
		t.Errorf("the context flipped:\n%s", told)
	}
}

// Fairlead uses all the open files that it may have, and the programs that it runs get the original limit.
func TestTheLimitOfOpenFilesIsRaisedForFairleadAlone(t *testing.T) {
	dir := t.TempDir()
	plugin := filepath.Join(dir, "plugin")
	script := "#!/bin/sh\nulimit -Sn > \"$0.limit\"\nexit 1\n"
	if err := os.WriteFile(plugin, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(dir, "kubeconfig")
	writeFile(t, kubeconfig, `
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: `+plugin+`, interactiveMode: Never}}}]
contexts: [{name: limited, context: {cluster: c, user: u}}]
`)
	address := freeAddress(t)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `ulimit -Sn 256; exec "$0" "$@"`, built, "serve", "--kubeconfig", kubeconfig, "--listen", address, "limited")
	cmd.Env = (&running{state: dir}).home()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait() // another test checks how it ends
	}()
	eventually(t, "the proxy listens", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	var limit unix.Rlimit
	if err := unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &limit); err != nil {
		t.Fatal(err)
	}
	// On some systems the runtime stays a little below the hard limit.
	if limit.Cur <= 256 || limit.Cur < limit.Max-1 {
		t.Errorf("Fairlead's limit is %+v", limit)
	}
	socks5(t, address, "web.team.svc", 80)
	if got, err := os.ReadFile(plugin + ".limit"); err != nil || strings.TrimSpace(string(got)) != "256" {
		t.Errorf("the plugin's limit is %q, %v", got, err)
	}
}
