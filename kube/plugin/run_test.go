//go:build unix

package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/pkg/apis/clientauthentication"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"fairlead/kube/fault"
)

// What the plugin itself says is better than what its name tells.
func TestTheErrorHasThePluginsOwnAdvice(t *testing.T) {
	for said, want := range map[string]string{
		`echo 'run "aws configure".' >&2; echo "something else" >&2; exit 255`: "aws configure",
		`echo 'run "aws configure; reboot".' >&2; exit 255`:                    "aws sso login",
		`exit 255`: "aws sso login",
	} {
		s := newScript(t, said)
		config := s.config()
		config.Command = filepath.Join(filepath.Dir(s.path), "aws")
		if err := os.Rename(s.path, config.Command); err != nil {
			t.Fatal(err)
		}
		login := loginError(t, begin(t, config).Login(t.Context()))
		if login.Cause != fault.PluginFailed || login.Command != want {
			t.Errorf("%s: %+v, want the command %q", said, login, want)
		}
	}
}

func TestPluginsThatCannotBeRun(t *testing.T) {
	t.Setenv("PATH", "/nowhere:"+os.Getenv("PATH"))
	missing := &clientcmdapi.ExecConfig{Command: "fairlead-no-such-plugin", APIVersion: "client.authentication.k8s.io/v1beta1", InstallHint: "get it\nat https://plugin.example/"}
	if login := loginError(t, begin(t, missing).Login(t.Context())); login.Cause != fault.PluginMissing ||
		login.SearchPath != os.Getenv("PATH") || login.Hint != "get it at https://plugin.example/" || login.Command != "kubectl version --context test" {
		t.Errorf("missing: %+v", login)
	}
	path := script{t, filepath.Join(t.TempDir(), "none")}
	if login := loginError(t, begin(t, path.config()).Login(t.Context())); login.Cause != fault.PluginMissing || login.SearchPath != "" {
		t.Errorf("a path: %+v", login)
	}
	interactive := newScript(t, fmt.Sprintf(token, "t"))
	config := interactive.config()
	config.InteractiveMode = clientcmdapi.AlwaysExecInteractiveMode
	if login := loginError(t, begin(t, config).Login(t.Context())); login.Cause != fault.PluginTerminal || interactive.runs() != 0 {
		t.Errorf("interactive: %+v, %d runs", login, interactive.runs())
	}
	if _, err := New(Config{Exec: &clientcmdapi.ExecConfig{Command: "x", APIVersion: "client.authentication.k8s.io/v1alpha1"}}); err == nil {
		t.Error("an API version that does not exist any more was accepted")
	}
	for name, output := range map[string]string{
		"nothing":        "",
		"no JSON":        "echo s3cret: [s3cret",
		"no status":      `echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential"}'`,
		"no credentials": fmt.Sprintf(token, ""),
		"half a pair":    `echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"clientCertificateData":"s3cret"}}'`,
		"another kind":   `echo '{"apiVersion":"v1","kind":"Secret"}'`,
		"another API":    strings.Replace(fmt.Sprintf(token, "t"), "/v1", "/v1beta1", 1),
		"too much":       fmt.Sprintf(token, "t") + "; head -c 2000000 /dev/zero",
	} {
		s := newScript(t, output)
		login := loginError(t, begin(t, s.config()).Login(t.Context()))
		if login.Cause != fault.PluginOutput || strings.Contains(login.Error(), "s3cret") {
			t.Errorf("%s: %+v", name, login)
		}
	}
}

// late prints a token that expired long ago by this machine's clock.
const late = `echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t","expirationTimestamp":"2020-01-01T00:00:00Z"}}'`

func TestTheServerDecidesAboutAnExpiryThatThisMachinesClockPutsInThePast(t *testing.T) {
	s := newScript(t, late)
	p := begin(t, s.config())
	server := &apiServer{status: http.StatusOK}
	for range 5 {
		if err := p.Login(t.Context()); err != nil {
			t.Fatalf("what the plugin has just printed is not tried: %v", err)
		}
		if err := server.ask(t, p); err != nil || server.token != "t" {
			t.Errorf("token %q, %v", server.token, err)
		}
	}
	if n := s.runs(); n != 1 {
		t.Errorf("%d runs for credentials that the server accepts", n)
	}

	server.status = http.StatusUnauthorized
	for range 5 {
		if err := p.Login(t.Context()); err == nil {
			server.ask(t, p) // it is refused
		} else if login := loginError(t, err); login.Cause != fault.LoginExpired || login.Plugin != s.path || login.Expired.Year() != 2020 {
			t.Errorf("refused: %+v", login)
		}
	}
	if login := loginError(t, p.Refused()); login.Cause != fault.LoginExpired {
		t.Errorf("the refusal: %+v", login)
	}
	if n := s.runs(); n > 3 {
		t.Errorf("%d runs for credentials that the server does not accept", n)
	}
}

func TestAPluginHasNoTerminalAndNoInput(t *testing.T) {
	s := newScript(t, `if read line; then exit 1; fi`, `if (: < /dev/tty) 2> /dev/null; then exit 2; fi`,
		`echo "$KUBERNETES_EXEC_INFO" > "$0.info"`, `test "$GREETING" = hello || exit 3`, fmt.Sprintf(token, "t"))
	config := s.config()
	config.InteractiveMode = clientcmdapi.IfAvailableExecInteractiveMode
	config.Env = []clientcmdapi.ExecEnvVar{{Name: "GREETING", Value: "hello"}}
	p, err := New(Config{Exec: config, Context: "test", Cluster: &clientauthentication.Cluster{Server: "https://api.example"}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Begin(func() {})()
	if err := p.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	var info struct {
		Kind string
		Spec struct {
			Interactive bool
			Cluster     struct{ Server string }
		}
	}
	data, err := os.ReadFile(s.path + ".info")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &info); err != nil || info.Kind != "ExecCredential" || info.Spec.Interactive || info.Spec.Cluster.Server != "https://api.example" {
		t.Errorf("the plugin got %s", data)
	}
}

func TestAPluginThatHangsDelaysNoEnd(t *testing.T) {
	for name, lines := range map[string][]string{
		"it does":         {`echo $$ > "$0.pid"`, `exec sleep 1000`},
		"it wants to":     {`trap '' TERM`, `echo $$ > "$0.pid"`, `while :; do sleep 1; done`},
		"its child holds": {`echo $$ > "$0.pid"`, `sleep 5`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, lines...)
			p, err := New(Config{Exec: s.config(), Context: "test"})
			if err != nil {
				t.Fatal(err)
			}
			end := p.Begin(func() {})
			done := make(chan error, 1)
			go func() { done <- p.Login(context.Background()) }()
			var pid int
			for deadline := time.Now().Add(30 * time.Second); pid == 0; time.Sleep(10 * time.Millisecond) {
				data, _ := os.ReadFile(s.path + ".pid")
				pid, _ = strconv.Atoi(strings.TrimSpace(string(data)))
				if time.Now().After(deadline) {
					t.Fatal("it does not start")
				}
			}
			begin := time.Now()
			end()
			if took := time.Since(begin); took > 15*time.Second {
				t.Errorf("the end took %v", took)
			}
			if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("its process exists: %v", err)
			}
			if err := <-done; err == nil {
				t.Error("a login succeeded")
			}
			if err := p.Login(t.Context()); !errors.Is(err, net.ErrClosed) {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}

// A plugin that never stops printing is ended at the limit of its output, and uses no memory beyond it.
func TestAPluginThatPrintsWithoutEndIsEnded(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err := execute(ctx, Config{Exec: &clientcmdapi.ExecConfig{Command: "/bin/sh", Args: []string{"-c", "head -c 200000000 /dev/zero; exec sleep 1000"}, APIVersion: "client.authentication.k8s.io/v1"}}, &tail{})
	runtime.ReadMemStats(&after)
	if login := loginError(t, err); login.Cause != fault.PluginOutput || !strings.Contains(login.Err.Error(), "larger than") {
		t.Errorf("%+v", login)
	}
	if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 16 {
		t.Errorf("it took %d MiB", took)
	}
}
