package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// doctored runs the doctor and gives what it prints, its error line and its exit status.
func doctored(t *testing.T, kubeconfig string, args ...string) (steps []string, said, complaint string, status int) {
	t.Helper()
	dir := t.TempDir()
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

// The doctor sends a host where the proxy would.
func TestTheDoctorKnowsWhoseAHostIs(t *testing.T) {
	for _, target := range []string{"example.com:443", "https://example.com/", "10.255.255.254:80", "www.example.com"} {
		steps, said, _, status := doctored(t, cluster.Kubeconfig, "demo", target)
		if status != 0 || len(steps) == 0 || steps[len(steps)-1] != "ok name" || !strings.Contains(said, "outside the cluster: it goes the way of all other hosts") {
			t.Errorf("%s: exit %d\n%s", target, status, said)
		}
	}
}

func TestTheDoctorStopsWhereTheWayBreaksAndSaysWhatToDo(t *testing.T) {
	for name, test := range map[string]struct {
		kubeconfig string
		args       []string
		last       string
		sentence   string
		status     int
	}{
		"no right":    {cluster.KubeconfigToken, []string{"demo-reader", "app"}, "BROKEN rights", "get and create pods/portforward in namespace team", 1},
		"no Service":  {cluster.Kubeconfig, []string{"demo", "lost:80"}, "BROKEN Service", "There is no Service lost in namespace default.", 1},
		"no program":  {cluster.Kubeconfig, []string{"demo", "refused:80"}, "BROKEN port", "Nothing listens on port 7008", 1},
		"no context":  {cluster.Kubeconfig, []string{"dem"}, "", "", 2},
		"no target":   {cluster.Kubeconfig, []string{"demo", "hello:80:90"}, "", "", 2},
		"no port":     {cluster.Kubeconfig, []string{"demo", "hello:http"}, "", "", 2},
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
