package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// doctored runs the doctor and returns its output, its error line and its exit status.
func doctored(t *testing.T, kubeconfig string, args ...string) (steps []string, said, complaint string, status int) {
	t.Helper()
	return doctoredIn(t, t.TempDir(), kubeconfig, args...)
}

// doctoredIn is doctored with a home directory that also contains the settings.
func doctoredIn(t *testing.T, dir, kubeconfig string, args ...string) (steps []string, said, complaint string, status int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), built, append([]string{"--kubeconfig", kubeconfig, "doctor"}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_STATE_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	for _, line := range regexp.MustCompile(`(?m)^(ok    |BROKEN)  (\S+( \S+)?)`).FindAllStringSubmatch(string(out), -1) {
		steps = append(steps, strings.TrimSpace(line[1])+" "+line[2])
	}
	return steps, string(out), stderr.String(), cmd.ProcessState.ExitCode()
}

func TestTheDoctorShowsEachStep(t *testing.T) {
	steps, said, complaint, status := doctored(t, cluster.Kubeconfig, "demo", "http://hello.default.svc.cluster.local/")
	want := "ok kubeconfig ok credentials ok API server ok rights ok name ok Service ok EndpointSlice ok Pod ok port"
	if got := strings.Join(steps, " "); got != want || status != 0 || complaint != "" {
		t.Errorf("exit %d, %q\n%s", status, complaint, said)
	}
}

// connectProxy is a forward proxy that connects to a single host, and refuses all others.
func connectProxy(t *testing.T, to string) (address string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != to {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.WriteHeader(http.StatusOK)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// The doctor uses the route that the proxy would use.
func TestTheDoctorTriesWhatIsOutside(t *testing.T) {
	via := connectProxy(t, "example.com:443")
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, "http://user:s3cret@"+via)
	}
	refuse := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(refuse, []byte("defaults: {outside: refuse}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	allow := filepath.Join(t.TempDir(), "config.yaml") // example.com may have no address on this machine
	if err := os.WriteFile(allow, []byte("defaults: {forward-unresolved: true}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		target, settings string
		steps            string
		says             string
		status           int
	}{
		{"example.com:443", allow, "ok kubeconfig ok credentials ok API server ok name ok outside", "example.com:443 is open after ", 0},
		{"https://example.com/", allow, "ok kubeconfig ok credentials ok API server ok name ok outside", ", through the proxy " + via, 0},
		{"www.example.com", "", "ok kubeconfig ok name", "it goes the way of all other hosts; it is tried when a port is named", 0},
		{"www.nobody.invalid:443", "", "ok kubeconfig ok credentials ok API server ok name BROKEN outside", ": forward-unresolved: true, in the settings, allows it", 1},
		{"other.example.com:443", allow, "ok kubeconfig ok name BROKEN outside", "other.example.com:443", 1},
		{"10.255.255.254:80", "", "ok kubeconfig ok credentials ok API server ok rights ok name BROKEN outside", "10.255.255.254:80", 1},
		{"external:80", "", "ok kubeconfig ok credentials ok API server ok rights ok name ok Service ok EndpointSlice BROKEN outside", "192.0.2.10:8080", 1},
		{"lost.team", "", "ok kubeconfig ok credentials ok API server ok name", "no Service lost in namespace team can be seen, so it is outside the cluster", 0},
		{"localhost:80", "", "ok kubeconfig ok name BROKEN outside", "this machine's loopback", 1},
		{"www.example.com:443", refuse, "ok kubeconfig ok name BROKEN outside", "this context refuses hosts outside its cluster", 1},
	} {
		home := t.TempDir()
		if test.settings != "" {
			copyFile(t, test.settings, filepath.Join(home, "fairlead", "config.yaml"))
		}
		steps, said, complaint, status := doctoredIn(t, home, cluster.Kubeconfig, "demo", test.target)
		if strings.Join(steps, " ") != test.steps || !strings.Contains(said, test.says) || status != test.status || strings.Contains(said+complaint, "s3cret") {
			t.Errorf("%s: exit %d, %q\n%s", test.target, status, complaint, said)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, to, string(text))
}

func TestTheDoctorSpeaksJSON(t *testing.T) {
	for target, broken := range map[string]string{"hello:80": "", "hello:http": "", "refused:80": "port"} {
		_, said, complaint, status := doctored(t, cluster.Kubeconfig, "demo", target, "-o", "json")
		var got struct {
			Context, Target, Broken string
			OK                      bool
			Steps                   []struct {
				Name, Detail, Sentence string
				OK                     bool
				Milliseconds           float64
			}
		}
		if err := json.Unmarshal([]byte(said), &got); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		last := got.Steps[len(got.Steps)-1]
		if got.Context != "demo" || got.Target != target || got.Broken != broken || got.OK != (broken == "") || got.OK != (status == 0) || len(got.Steps) != 9 ||
			last.OK != got.OK || last.Name != "port" || last.Detail == "" || got.OK == (last.Sentence != "") || got.OK && last.Milliseconds <= 0 {
			t.Errorf("%s: exit %d, %q\n%s", target, status, complaint, said)
		}
	}
}

func TestTheDoctorStopsWhereThePathBreaksAndSaysWhatToDo(t *testing.T) {
	for name, test := range map[string]struct {
		kubeconfig string
		args       []string
		last       string
		sentence   string
		status     int
	}{
		"no right":    {cluster.KubeconfigToken, []string{"demo-reader", "app"}, "BROKEN rights", "get and create pods/portforward in namespace team", 1},
		"no Service":  {cluster.Kubeconfig, []string{"demo", "lost:80"}, "BROKEN Service", "There is no Service lost in namespace default.", 1},
		"no program":  {cluster.Kubeconfig, []string{"demo", "refused:80"}, "BROKEN port", "Nothing is listening on port 7008", 1},
		"no context":  {cluster.Kubeconfig, []string{"dem"}, "", "", 2},
		"no target":   {cluster.Kubeconfig, []string{"demo", "hello:80:90"}, "", "", 2},
		"no port":     {cluster.Kubeconfig, []string{"demo", "hello:0"}, "", "", 2},
		"no name":     {cluster.Kubeconfig, []string{"demo", "hello:grpc"}, "BROKEN Service", "Service default/hello has no TCP port grpc", 1},
		"no host":     {cluster.Kubeconfig, []string{"demo", "a b:80"}, "", "", 2},
		"no endpoint": {cluster.Kubeconfig, []string{"demo", "not-ready:80"}, "BROKEN EndpointSlice", "is not ready.", 1},
	} {
		t.Run(name, func(t *testing.T) {
			steps, said, complaint, status := doctored(t, test.kubeconfig, test.args...)
			last := ""
			if len(steps) > 0 {
				last = steps[len(steps)-1]
			}
			if last != test.last || !strings.Contains(said, test.sentence) || status != test.status || complaint == "" {
				t.Errorf("exit %d, %q\n%s", status, complaint, said)
			}
		})
	}
}

func TestTheDoctorSaysWhatIsWrongInTheKubeconfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	content := "contexts: [{name: demo, context: {cluster: none, user: none}}]\n"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	steps, said, _, status := doctored(t, path, "demo")
	if len(steps) != 1 || steps[0] != "BROKEN kubeconfig" || status != 1 || !strings.Contains(said, "none") {
		t.Errorf("exit %d\n%s", status, said)
	}
}

// A kubeconfig that cannot be read fails the first step, in the text and in JSON.
func TestTheDoctorFindsAKubeconfigThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("KUBECONFIG", "")
	for name, content := range map[string]string{"broken": "a: [\n", "plain": "hello\n"} {
		writeFile(t, filepath.Join(dir, name), content)
	}
	for name, want := range map[string]string{
		"broken": "broken: line 1: not valid YAML", "plain": "plain: not a kubeconfig", "": "is a directory", "missing": "missing: no such file or directory",
	} {
		path := dir + "/" + name
		steps, said, complaint, status := doctoredIn(t, dir, path, "demo", "hello:80")
		if strings.Join(steps, " ") != "BROKEN kubeconfig" || status != exitFailed || strings.Count(said, want) != 1 || complaint != "fairlead: failed at: kubeconfig\n" {
			t.Errorf("%s: exit %d, %q\n%s", path, status, complaint, said)
		}
		_, said, _, status = doctoredIn(t, dir, path, "demo", "-o", "json")
		var got struct {
			OK     bool
			Broken string
			Steps  []struct{ Name, Sentence string }
		}
		if err := json.Unmarshal([]byte(said), &got); err != nil || got.OK || got.Broken != "kubeconfig" || len(got.Steps) != 1 ||
			!strings.Contains(got.Steps[0].Sentence, want) || status != exitFailed {
			t.Errorf("%s: exit %d, %v\n%s", path, status, err, said)
		}
	}
	// It may contain a context that no other file has, and does not hide the contexts of others.
	both := filepath.Join(dir, "broken") + string(os.PathListSeparator) + cluster.Kubeconfig
	t.Setenv("KUBECONFIG", both)
	if steps, said, _, status := doctoredIn(t, dir, "", "lost"); strings.Join(steps, " ") != "BROKEN kubeconfig" || status != exitFailed ||
		!strings.Contains(said, "broken: line 1: not valid YAML") || !strings.Contains(said, `no context "lost"`) {
		t.Errorf("a context of no file: exit %d\n%s", status, said)
	}
	if _, said, complaint, status := doctoredIn(t, dir, "", "demo"); status != 0 || !strings.Contains(complaint, "broken: line 1: not valid YAML") {
		t.Errorf("a context of another file: exit %d, %q\n%s", status, complaint, said)
	}
	t.Setenv("KUBECONFIG", "")
	// The same holds if there is no kubeconfig at all.
	steps, said, _, status := doctoredIn(t, dir, "", "demo")
	if strings.Join(steps, " ") != "BROKEN kubeconfig" || status != exitFailed || !strings.Contains(said, ".kube/config (no such file)") {
		t.Errorf("without a kubeconfig: exit %d\n%s", status, said)
	}
}

// A context that does not start with its settings is not diagnosed any further.
func TestTheDoctorSaysWhatIsWrongInTheSettings(t *testing.T) {
	home := t.TempDir()
	writeFile(t, filepath.Join(home, "fairlead", "config.yaml"), "defaults: {carrier: konnectivity}\n")
	steps, said, complaint, status := doctoredIn(t, home, cluster.Kubeconfig, "demo", "hello:80")
	if strings.Join(steps, " ") != "BROKEN settings" || status != exitFailed || !strings.Contains(said, "there is no konnectivity with the server.") ||
		!strings.Contains(complaint, "fairlead: failed at: settings\n") {
		t.Errorf("exit %d, %q\n%s", status, complaint, said)
	}
}
