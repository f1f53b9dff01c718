//go:build unix

package plugin

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/client-go/pkg/apis/clientauthentication"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"fairlead/kube/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// token is a script's line that prints credentials; %s is the token.
const token = `echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}'`

// A script is a plugin that counts how often it runs.
type script struct {
	t    *testing.T
	path string
}

func newScript(t *testing.T, lines ...string) script {
	t.Helper()
	s := script{t, filepath.Join(t.TempDir(), "a plugin")}
	content := "#!/bin/sh\necho run >> \"$0.runs\"\n" + strings.Join(lines, "\n") + "\n"
	if err := os.WriteFile(s.path, []byte(content), 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s script) runs() int {
	s.t.Helper()
	data, err := os.ReadFile(s.path + ".runs")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
	return strings.Count(string(data), "run")
}

func (s script) config() *clientcmdapi.ExecConfig {
	return &clientcmdapi.ExecConfig{Command: s.path, APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: clientcmdapi.NeverExecInteractiveMode}
}

// begin returns a plugin that may run until the test ends.
func begin(t *testing.T, exec *clientcmdapi.ExecConfig) *Plugin {
	t.Helper()
	p, err := New(Config{Exec: exec, Context: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Begin(func() {}))
	return p
}

func loginError(t *testing.T, err error) *fault.Login {
	t.Helper()
	var login *fault.Login
	if !errors.As(err, &login) {
		t.Fatalf("error %v", err)
	}
	return login
}

// An apiServer answers requests with one status, and records the last token.
type apiServer struct {
	status int
	token  string
}

func (s *apiServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.token = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	return &http.Response{StatusCode: s.status, ProtoMajor: 1, Body: http.NoBody, Request: r}, nil
}

func (s *apiServer) ask(t *testing.T, p *Plugin) error {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.example/", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := p.Wrap(s).RoundTrip(request)
	if err != nil {
		return err
	}
	if request.Header.Get("Authorization") != "" {
		t.Error("the caller's request was changed")
	}
	return response.Body.Close()
}

func TestOneRunServesAllUntilItsCredentialsExpire(t *testing.T) {
	s := newScript(t, `now=$(date +%s)`, `at=$(date -u -d @$((now + 3)) +%Y-%m-%dT%H:%M:%SZ)`,
		`n=$(wc -l < "$0.runs")`,
		`echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t'$n'","expirationTimestamp":"'$at'"}}'`)
	p := begin(t, s.config())
	server := &apiServer{status: http.StatusOK}
	if login := loginError(t, server.ask(t, p)); login.Context != "test" || login.Plugin != "" || s.runs() != 0 {
		t.Errorf("a request ran the plugin, or returned %+v", login)
	}
	if _, err := p.Certificate(); !errors.As(err, new(*fault.Login)) || s.runs() != 0 {
		t.Errorf("a handshake ran the plugin, or returned %v", err)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := p.Login(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := server.ask(t, p); err != nil || server.token != "t1" || s.runs() != 1 {
		t.Errorf("token %q, %v; %d runs", server.token, err, s.runs())
	}
	if c, err := p.Certificate(); err != nil || len(c.Certificate) > 0 {
		t.Errorf("certificate %v, %v", c, err)
	}
	for deadline := time.Now().Add(30 * time.Second); server.ask(t, p) == nil; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the token does not expire")
		}
	}
	if s.runs() != 1 {
		t.Error("a request ran the plugin when the token had expired")
	}
	if err := p.Login(t.Context()); err != nil {
		t.Error(err)
	}
	if err := server.ask(t, p); err != nil || server.token != "t2" {
		t.Errorf("token %q, %v", server.token, err)
	}
}

func TestAFailureOfAPluginIsDescribedAndNotRepeated(t *testing.T) {
	s := newScript(t, `echo s3cret-output`, `echo first >&2`,
		`printf '\033[31mError: token \teyJhbGciOiJIUzI1NiJ9.s3cret.x has expired at https://user:s3cret@idp.example/login?code=s3cret\033[0m\n\n' >&2`, `exit 7`)
	p := begin(t, s.config())
	login := loginError(t, p.Login(t.Context()))
	if login.Cause != fault.PluginFailed || login.Plugin != s.path || login.Exit != 7 || login.Detail != "Error: token … has expired at https://idp.example/login" {
		t.Errorf("%+v", login)
	}
	if strings.Contains(login.Error(), "s3cret") {
		t.Errorf("secret in %v", login)
	}
	for range 10 {
		if again := loginError(t, p.Login(t.Context())); again.Exit != 7 {
			t.Errorf("%+v", again)
		}
	}
	// One more if the machine is so slow that the pause has ended.
	if n := s.runs(); n > 2 {
		t.Errorf("%d runs for 11 logins", n)
	}
	before := s.runs()
	p.Retry()
	loginError(t, p.Login(t.Context()))
	if s.runs() == before {
		t.Error("it was not run after Retry")
	}
}

func TestPausesGrowWithFailuresAndWithTheTimeOfARun(t *testing.T) {
	for _, test := range []struct {
		failures int
		took     time.Duration
		want     time.Duration
	}{
		{0, 0, 2 * time.Second}, {1, 0, 4 * time.Second}, {3, 0, 16 * time.Second}, {100, 0, 30 * time.Second},
		{0, time.Minute, 10 * time.Minute}, {0, maxRunTime, maxSlowBackoff},
	} {
		a := &account{failures: test.failures}
		begin := time.Now()
		a.recordFailure(errNotLoggedIn, test.took)
		if rest := a.backoffUntil.Sub(begin).Round(time.Second); rest != test.want {
			t.Errorf("after %d failures and %v: %v", test.failures, test.took, rest)
		}
	}
}

func TestRefusedCredentialsAreNotFetchedRepeatedly(t *testing.T) {
	s := newScript(t, fmt.Sprintf(token, "t"))
	p := begin(t, s.config())
	server := &apiServer{status: http.StatusUnauthorized}
	for range 10 {
		if err := p.Login(t.Context()); err != nil {
			loginError(t, err)
			continue
		}
		if err := server.ask(t, p); err != nil {
			t.Error(err)
		}
	}
	if n := s.runs(); n != 2 {
		t.Errorf("%d runs", n)
	}
	p.Retry()
	if err := p.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.status = http.StatusForbidden // which is an answer to an accepted user
	if err := server.ask(t, p); err != nil {
		t.Fatal(err)
	}
	if _, c, err := p.current(); err != nil || c == nil || !p.account.Load().accepted || c.token != "t" {
		t.Errorf("%v", err)
	}
}

func TestANewLoginRunsThePlugin(t *testing.T) {
	s := newScript(t, fmt.Sprintf(token, "t"))
	p := begin(t, s.config())
	for want := 1; want < 4; want++ {
		p.Forget()
		if err := p.Login(t.Context()); err != nil || s.runs() != want {
			t.Errorf("%v, %d runs", err, s.runs())
		}
	}
}

func TestOneUserEntryRunsOneAtATime(t *testing.T) {
	s := newScript(t, `mkdir "$0.here" || exit 1`, `sleep 0.2`, `rmdir "$0.here"`, fmt.Sprintf(token, "t"))
	var wg sync.WaitGroup
	for i := range 4 {
		p, err := New(Config{Exec: s.config(), Context: strconv.Itoa(i), Cluster: &clientauthentication.Cluster{Server: strconv.Itoa(i / 2)}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Begin(func() {}))
		wg.Go(func() {
			if err := p.Login(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	// Two clusters, which it gets, and two contexts in each.
	if n := s.runs(); n != 2 {
		t.Errorf("%d runs", n)
	}
}

func TestALongLoginIsReportedAndIsUsedInTheEnd(t *testing.T) {
	t.Parallel()
	s := newScript(t, `echo 'To sign in, open https://idp.example/device and enter ABCD-EFGH' >&2`,
		`while ! test -e "$0.go"; do sleep 0.1; done`, fmt.Sprintf(token, "t"))
	p, err := New(Config{Exec: s.config(), Context: "test"})
	if err != nil {
		t.Fatal(err)
	}
	renewed := make(chan struct{})
	defer p.Begin(func() { close(renewed) })()
	hurried, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.Login(hurried); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a client in a hurry: %v", err)
	}
	for range 2 { // the second at once
		login := loginError(t, p.Login(t.Context()))
		if login.Cause != fault.PluginSilent || !strings.Contains(login.Detail, "enter ABCD-EFGH") {
			t.Errorf("%+v", login)
		}
	}
	if err := os.WriteFile(s.path+".go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	select {
	case <-renewed:
	case <-time.After(30 * time.Second):
		t.Fatal("renewed was not called")
	}
	if err := p.Login(t.Context()); err != nil || s.runs() != 1 {
		t.Errorf("%v, %d runs", err, s.runs())
	}
}

func TestAClientCertificateOfAPluginIsUsed(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	credential, err := json.Marshal(map[string]any{
		"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status": map[string]string{
			"clientCertificateData": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})),
			"clientKeyData":         string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := newScript(t, "cat <<'END'", string(credential), "END")
	config := s.config()
	config.APIVersion = "client.authentication.k8s.io/v1beta1"
	p := begin(t, config)
	if err := p.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c, err := p.Certificate(); err != nil || c.Leaf == nil || c.Leaf.SerialNumber.Int64() != 7 {
		t.Errorf("%v", err)
	}
}

// A context that is switched on while the last one of its user entry is being switched off waits for that one's plugin.
func TestAPluginThatIsBeingEndedIsTheOnlyOne(t *testing.T) {
	s := newScript(t, `if other=$(cat "$0.pid"); then`,
		`  ! kill -0 "$other" || echo two > "$0.two"`, fmt.Sprintf("  "+token, "t"), `  exit`, `fi`,
		`trap 'echo told > "$0.told"; sleep 1; exit 1' TERM`, `echo $$ > "$0.pid"`, `while :; do sleep 0.05; done`)
	wait := func(suffix string) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
			if data, err := os.ReadFile(s.path + suffix); err == nil && len(data) > 0 {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal("no " + suffix)
			}
		}
	}
	first, err := New(Config{Exec: s.config(), Context: "first"})
	if err != nil {
		t.Fatal(err)
	}
	end := first.Begin(func() {})
	var leaving sync.WaitGroup
	defer leaving.Wait()
	leaving.Go(func() { _ = first.Login(context.Background()) })
	wait(".pid")
	leaving.Go(end)
	wait(".told")
	if err := begin(t, s.config()).Login(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.path + ".two"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("two ran at a time: %v", err)
	}
}
