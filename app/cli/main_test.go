package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/app/command"
	"fairlead/build/testport"
)

// runAsProgram makes the test binary run a command line, as main does.
const runAsProgram = "FAIRLEAD_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(runAsProgram) == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command.Run(ctx, Actions(), os.Args[1:])
	stop()
	switch {
	case err == nil:
		os.Exit(0)
	case !errors.Is(err, ErrReported):
		fmt.Fprintln(os.Stderr, "fairlead:", err)
	}
	switch {
	case command.IsUsage(err):
		os.Exit(2)
	case errors.Is(err, ErrNotRunning):
		os.Exit(4)
	}
	os.Exit(1)
}

// A home is the directory of one user, whose commands share state, settings and the control socket.
type home struct {
	dir        string
	kubeconfig string
	server     net.Listener // of the API server
}

// newHome returns a home with a kubeconfig of contexts, the first of which is the current one. Their API server accepts
// connections and never answers.
func newHome(t *testing.T, contexts ...string) *home {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	h := &home{dir: t.TempDir(), server: ln}
	h.kubeconfig = filepath.Join(h.dir, "kubeconfig.yaml")
	text := fmt.Sprintf("clusters: [{name: c, cluster: {server: \"https://%s\", insecure-skip-tls-verify: true}}]\nusers: [{name: u, user: {token: x}}]\n", ln.Addr())
	if len(contexts) > 0 {
		text += fmt.Sprintf("current-context: %q\ncontexts:\n", contexts[0])
	}
	for _, name := range contexts {
		text += fmt.Sprintf("- {name: %q, context: {cluster: c, user: u}}\n", name)
	}
	if err := os.WriteFile(h.kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	testport.Assign(t, filepath.Join(h.dir, "state"), contexts...)
	return h
}

func (h *home) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), runAsProgram+"=yes", "KUBECONFIG="+h.kubeconfig, "XDG_STATE_HOME="+filepath.Join(h.dir, "state"),
		"XDG_CONFIG_HOME="+filepath.Join(h.dir, "config"), "XDG_RUNTIME_DIR="+filepath.Join(h.dir, "none"), "TERM=xterm", "NO_COLOR=")
	return cmd
}

// run runs a command line to its end.
func (h *home) run(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := h.command(t, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// must runs a command line that has to succeed.
func (h *home) must(t *testing.T, args ...string) string {
	t.Helper()
	status, stdout, stderr := h.run(t, args...)
	if status != 0 {
		t.Fatalf("fairlead %s: status %d\n%s%s", strings.Join(args, " "), status, stdout, stderr)
	}
	return stdout
}

// serve runs the contexts, with flags behind them, in the foreground until the test ends, and returns their addresses and the end of the program.
func (h *home) serve(t *testing.T, contexts ...string) (addresses []string, ended <-chan error) {
	t.Helper()
	cmd := h.command(t, append([]string{"serve"}, contexts...)...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	wanted := 0
	for _, arg := range contexts {
		if strings.HasPrefix(arg, "-") {
			break
		}
		wanted++
	}
	for range wanted {
		if !lines.Scan() {
			break
		}
		_, address, _ := strings.Cut(lines.Text(), "://")
		addresses = append(addresses, address)
	}
	end := make(chan error, 1)
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, _ = io.Copy(io.Discard, stdout)
		end <- cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		<-over
		if t.Failed() {
			t.Logf("serve said:\n%s", errs.String())
		}
	})
	if len(addresses) != wanted {
		t.Fatalf("serve printed %q", addresses)
	}
	// The control socket is there soon after, or before.
	eventually(t, "the control socket", func() bool { status, _, _ := h.run(t, "status"); return status == 0 })
	return addresses, end
}

// eventually waits until a condition holds. Each check runs a program, so there is no pause between two.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
