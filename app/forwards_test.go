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
		{listen: %s, to: "`+pod+`.default.pod:http"}, {listen: %s, to: "hello.default:no-such"}, {listen: %s, to: "hello.default:81"}]}`)
	if got := netcat(t, at[0], "through nc\n"); got != "through nc\n" {
		t.Errorf("the echo says %q", got)
	}
	for _, address := range at[1:4] { // a Service, one of its Pods, and that Pod by its own name
		if body := run(t, "", "curl", "-sS", "--noproxy", "*", "http://"+address+"/"); !strings.Contains(body, pod) && address != at[1] || !strings.Contains(body, "hello") {
			t.Errorf("%s answers %q", address, body)
		}
	}
	for _, address := range at[4:] {
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
