package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead/app/session"
	"fairlead/build/testport"
)

// A team is a serve of demo and demo-team from its own kubeconfig, with an open connection through demo.
type team struct {
	*running
	file, settings string
	open           echoing // through demo
	demo, team     string  // addresses
}

func serveTeam(t *testing.T) *team {
	t.Helper()
	text, err := os.ReadFile(cluster.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	testport.Assign(t, state, "demo", "demo-team")
	s := &team{file: filepath.Join(t.TempDir(), "kubeconfig"), settings: filepath.Join(state, "config", "fairlead", "config.yaml")}
	writeFile(t, s.file, string(text))
	s.running = start(t, []string{"XDG_STATE_HOME=" + state, "XDG_CONFIG_HOME=" + filepath.Join(state, "config"), "XDG_RUNTIME_DIR=" + filepath.Join(state, "none")},
		"serve", "--kubeconfig", s.file, "demo", "demo-team")
	s.state = state
	_, s.demo, _ = strings.Cut(s.line(t), "socks5h://")
	_, s.team, _ = strings.Cut(s.line(t), "socks5h://")
	conn, reply := socks5(t, s.demo, "echo.default", 7)
	if reply != 0 {
		t.Fatalf("echo: reply %d", reply)
	}
	s.open = echoing{conn}
	s.open.stillEchoes(t)
	return s
}

// says waits for a line on stderr.
func (s *team) says(t *testing.T, text string) {
	t.Helper()
	eventually(t, "it says "+text, func() bool { return strings.Contains(s.stderr.String(), text) })
}

func (s *team) listens(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

func TestADeletedContextIsOffAndTheOthersStay(t *testing.T) {
	t.Parallel()
	s := serveTeam(t)
	whole, err := os.ReadFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, "config", "--kubeconfig", s.file, "delete-context", "demo-team")
	s.says(t, "demo-team  is off: it is no longer in the kubeconfig")
	s.open.stillEchoes(t)
	if s.listens(s.team) {
		t.Error("the port of the context that was deleted is open")
	}
	// The context comes back with its entry, at its port.
	writeFile(t, s.file, string(whole))
	if line := s.line(t); line != "demo-team  socks5h://"+s.team {
		t.Errorf("with the entry there again it prints %q", line)
	}
	s.open.stillEchoes(t)

	// The file is gone: both are off, until it is back.
	if err := os.Rename(s.file, s.file+".away"); err != nil {
		t.Fatal(err)
	}
	s.says(t, "demo  is off: its kubeconfig "+s.file+" is not there")
	s.says(t, "demo-team  is off: its kubeconfig "+s.file+" is not there")
	eventually(t, "no port is open", func() bool { return !s.listens(s.demo) && !s.listens(s.team) })
	if err := os.Rename(s.file+".away", s.file); err != nil {
		t.Fatal(err)
	}
	back := []string{s.line(t), s.line(t)}
	slices.Sort(back) // in any order
	if want := []string{"demo  socks5h://" + s.demo, "demo-team  socks5h://" + s.team}; !slices.Equal(back, want) {
		t.Errorf("with the file there again it prints %q, want %q", back, want)
	}

	// Both are deleted for good.
	writeFile(t, s.file, "apiVersion: v1\nkind: Config\n")
	s.wait(t, time.Minute)
	said := strings.Split(strings.TrimSpace(s.stderr.String()), "\n")
	if s.status() != exitFailed || said[len(said)-1] != "fairlead: context demo-team: it is no longer in the kubeconfig" {
		t.Errorf("with nothing left it ends with %d and says %q", s.status(), said[len(said)-1])
	}
}

func TestAKubeconfigThatIsAwayForTwoSecondsDoesNoHarm(t *testing.T) {
	t.Parallel()
	s := serveTeam(t)
	if err := os.Rename(s.file, s.file+".away"); err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); time.Since(begun) < 2*time.Second; time.Sleep(200 * time.Millisecond) {
		s.open.stillEchoes(t)
	}
	if err := os.Rename(s.file+".away", s.file); err != nil {
		t.Fatal(err)
	}
	s.open.stillEchoes(t)
	// Another change has followed by now whatever was seen.
	kubectl(t, "config", "--kubeconfig", s.file, "delete-context", "demo-team")
	s.says(t, "demo-team  is off: it is no longer in the kubeconfig")
	s.open.stillEchoes(t)
	if strings.Contains(s.stderr.String(), "demo  is off") {
		t.Error("demo was off")
	}
}

func TestAContextThatIsGivenATakenPortIsOffAndTheOthersStay(t *testing.T) {
	t.Parallel()
	s := serveTeam(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	writeFile(t, s.settings, "contexts:\n  demo-team:\n    port: "+port+"\n")
	s.says(t, "demo-team  is off: ")
	if s.phase(t, "demo-team", session.Failed); s.listens(s.team) {
		t.Error("its former port is open")
	}
	s.open.stillEchoes(t)
	// When it has its own port again, it is on without a click.
	writeFile(t, s.settings, "contexts: {}\n")
	if line := s.line(t); line != "demo-team  socks5h://"+s.team {
		t.Errorf("with its port back it prints %q", line)
	}
	s.open.stillEchoes(t)
}

func TestAServeStartsWhatCanBeStarted(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	testport.Assign(t, state, "demo", "demo-team")
	text, err := os.ReadFile(cluster.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	writeFile(t, file, strings.Replace(string(text), "contexts:\n", "contexts:\n- context: {cluster: none, user: none}\n  name: broken\n", 1))
	r := start(t, []string{"XDG_STATE_HOME=" + state}, "serve", "--kubeconfig", file, "broken", "demo")
	if line := r.line(t); !strings.HasPrefix(line, "demo  socks5h://") {
		t.Errorf("it prints %q", line)
	}
	eventually(t, "it says what is wrong with the other", func() bool { return strings.Contains(r.stderr.String(), "broken  is off: ") })
	alone := start(t, nil, "serve", "--kubeconfig", file, "broken")
	alone.wait(t, 30*time.Second)
	if alone.status() != exitFailed || !strings.Contains(alone.stderr.String(), "fairlead: context broken: ") {
		t.Errorf("alone it ends with %d:\n%s", alone.status(), alone.stderr)
	}
}

// A syntax error removes nothing: not the open tunnels, not the contexts, not what is switched on meanwhile.
func TestABrokenKubeconfigKeepsWhatItSaid(t *testing.T) {
	t.Parallel()
	s := serveTeam(t)
	whole, err := os.ReadFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, s.file, string(whole)+"\t- s3cret\n")
	const problem = "what it said before holds"
	eventually(t, "status shows the problem", func() bool { return strings.Contains(s.must(t, "status"), problem) })
	s.says(t, problem)
	s.open.stillEchoes(t)
	s.must(t, "off", "demo-team")
	s.must(t, "on", "demo-team")
	if conn, reply := socks5(t, s.team, "app.team", 80); reply != 0 {
		t.Errorf("a context that was switched on meanwhile answers %d", reply)
	} else {
		conn.Close()
	}
	listed := s.ask(t, "list", "--kubeconfig", s.file)
	if !strings.Contains(listed.stdout, "demo-team") || !strings.Contains(listed.stderr, s.file+": line ") || listed.status != exitFailed {
		t.Errorf("list ends with %d:\n%s%s", listed.status, listed.stdout, listed.stderr)
	}
	s.open.stillEchoes(t)
	// When it can be read again, its content is applied.
	writeFile(t, s.file, strings.Replace(string(whole), "namespace: default", "namespace: kube-system", 1))
	eventually(t, "the problem is gone", func() bool { return !strings.Contains(s.must(t, "status"), problem) })
	s.says(t, "kubeconfig read again")
	s.open.stillEchoes(t)
	if said := s.stderr.String(); strings.Contains(said, "s3cret") || strings.Contains(said, "demo  is off") {
		t.Errorf("it says:\n%s", said)
	}
}

// A kubeconfig that is moved away is reported on the terminal, in the log and in status, and its return on the
// terminal, whether or not it was named.
func TestAKubeconfigThatIsMovedAwayIsReported(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(cluster.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, named := range []bool{true, false} {
		state := t.TempDir()
		testport.Assign(t, state, "demo", "demo-team")
		file := filepath.Join(state, "kubeconfig")
		writeFile(t, file, string(whole))
		env, args := []string{"XDG_STATE_HOME=" + state, "XDG_CONFIG_HOME=" + filepath.Join(state, "config"), "XDG_RUNTIME_DIR=" + filepath.Join(state, "none")}, []string{"serve", "demo"}
		if named {
			args = append(args, "--kubeconfig", file)
		} else {
			env = append(env, "KUBECONFIG="+file)
		}
		r := start(t, env, args...)
		r.state = state
		r.line(t)
		problem := file + ": no such file or directory"
		if err := os.Rename(file, file+".away"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "status shows the problem", func() bool { return strings.Contains(r.must(t, "status"), problem) })
		if err := os.Rename(file+".away", file); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the problem is gone", func() bool { return !strings.Contains(r.must(t, "status"), problem) })
		eventually(t, "it says so", func() bool { return strings.Contains(r.stderr.String(), "kubeconfig read again") })
		if said := r.stderr.String(); strings.Count(said, problem) != 1 || strings.Count(said, "kubeconfig read again") != 1 {
			t.Errorf("named %t: it says:\n%s", named, said)
		}
		logged, err := os.ReadFile(filepath.Join(state, "fairlead", "fairlead.log"))
		if err != nil || strings.Count(string(logged), problem) != 1 {
			t.Errorf("named %t: the log, %v:\n%s", named, err, logged)
		}
	}
}

// A name in the settings that the kubeconfig lacks takes no port, and one that disappears gives the port back.
func TestAPortThatTheSettingsGiveAwayComesBack(t *testing.T) {
	t.Parallel()
	s := serveTeam(t)
	port := func(address string) string { return address[strings.LastIndex(address, ":")+1:] }
	read := func() int { return strings.Count(s.stderr.String(), "settings read") }
	writeFile(t, s.settings, "contexts:\n  nosuch:\n    port: "+port(s.demo)+"\n")
	eventually(t, "the settings are read", func() bool { return read() == 1 })
	got := s.ask(t, "settings", "check", "--kubeconfig", s.file)
	if !strings.Contains(got.stdout, "config.yaml:3: port "+port(s.demo)+" stays with context demo") || got.status != 0 {
		t.Errorf("settings check: %+v", got)
	}
	s.open.stillEchoes(t)

	writeFile(t, s.settings, "contexts:\n  demo:\n    port: "+port(s.team)+"\n")
	got = s.ask(t, "settings", "check", "--kubeconfig", s.file)
	if !strings.Contains(got.stdout, "config.yaml:3: port "+port(s.team)+" is the one of context demo-team, which moves") || got.status != 0 {
		t.Errorf("settings check: %+v", got)
	}
	moved := map[string]string{}
	for range 2 {
		name, address, _ := strings.Cut(s.line(t), "  socks5h://")
		moved[name] = address
	}
	if at := moved["demo-team"]; moved["demo"] != s.team || at == "" || at == s.demo || at == s.team {
		t.Errorf("demo was at %s and demo-team at %s; now they are at %v", s.demo, s.team, moved)
	}
	s.says(t, "Its port "+port(s.team)+" is the one of context demo in the settings.")

	writeFile(t, s.settings, "contexts: {}\n")
	for range 2 {
		name, address, _ := strings.Cut(s.line(t), "  socks5h://")
		moved[name] = address
	}
	if moved["demo"] != s.demo || moved["demo-team"] != s.team {
		t.Errorf("with the settings fixed they are at %v; they were at %s and %s", moved, s.demo, s.team)
	}
}

// A change of the way into a cluster does not mean that the cluster is reachable.
func TestOnlySuccessIsCalledReachedAgain(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(cluster.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	lead := func() (server string) {
		server = fmt.Sprintf("127.0.0.1:%d", testport.Free(t))
		writeFile(t, file, regexp.MustCompile(`server: .*`).ReplaceAllString(string(text), "server: https://"+server))
		return server
	}
	server := lead()
	r := start(t, nil, "serve", "--kubeconfig", file, "--listen", "127.0.0.1:0", "demo")
	_, address, _ := strings.Cut(r.line(t), "socks5h://")
	says := func(text string) {
		t.Helper()
		eventually(t, "it says "+text, func() bool { return strings.Contains(r.stderr.String(), text) })
	}
	says("demo  Nothing is listening at the API server's address " + server)
	server = lead()
	eventually(t, "it names the other server", func() bool {
		conn, reply := socks5(t, address, "echo.default", 7)
		if conn.Close(); reply == 0 {
			t.Error("a server that is not there is reached")
		}
		return strings.Contains(r.stderr.String(), "demo  Nothing is listening at the API server's address "+server)
	})
	if strings.Contains(r.stderr.String(), "is reachable again") {
		t.Errorf("it was never reached:\n%s", r.stderr)
	}
	writeFile(t, file, string(text))
	eventually(t, "echo is reached", func() bool {
		conn, reply := socks5(t, address, "echo.default", 7)
		conn.Close()
		return reply == 0
	})
	says("demo  is reachable again")
}
