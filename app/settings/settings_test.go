package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/adrg/xdg"
	"go.uber.org/goleak"
)

// The test binary also plays other processes of the program: with this variable set it does one job and ends.
const job = "SETTINGS_TEST_JOB"

func TestMain(m *testing.M) {
	switch os.Getenv(job) {
	case "":
		goleak.VerifyTestMain(m)
	case "store":
		exitOn(storeMany(os.Args[1], os.Args[2]))
	case "lock":
		_, ok, err := Lock(os.Args[1])
		fmt.Println("locked:", ok)
		exitOn(err)
		_, _ = os.Stdin.Read(make([]byte, 1)) // until killed or asked to end
		os.Exit(0)
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// storeMany assigns ports to ten contexts and switches them on.
func storeMany(dir, prefix string) error {
	s, damage, err := Open(dir)
	if err = errors.Join(damage, err); err != nil {
		return err
	}
	for i := range 10 {
		name := fmt.Sprint(prefix, i)
		_, err := s.port(name, Config{})
		if err = errors.Join(err, s.SetOn(name, true)); err != nil {
			return err
		}
	}
	os.Exit(0)
	return nil
}

func self(t *testing.T, what string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), job+"="+what)
	return cmd
}

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, damage, err := Open(dir)
	if err != nil || damage != nil {
		t.Fatalf("Open() = %v, %v", damage, err)
	}
	return s
}

func port(t *testing.T, s *Store, name string) int {
	t.Helper()
	number, err := s.port(name, Config{})
	if err != nil {
		t.Fatalf("Port(%q) = %v", name, err)
	}
	return number
}

func TestPortsAreTheLowestFreeOnesAndStay(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "fairlead")
	s := open(t, dir)
	for i, name := range []string{"staging", "arn:aws:eks:eu-west-1:1:cluster/prod", "🚢\n\"x\""} {
		if got := port(t, s, name); got != FirstPort+i {
			t.Errorf("Port(%q) = %d, want %d", name, got, FirstPort+i)
		}
	}
	again := open(t, dir)
	if got := port(t, again, "🚢\n\"x\""); got != 1082 {
		t.Errorf("after reopening it has port %d", got)
	}
	peek := Peek(dir, filepath.Join(dir, "none"))
	if got := peek.Effective("staging").Port(); got != 1080 {
		t.Errorf("to be looked at it has port %d", got)
	}
	if got := Peek(filepath.Join(dir, "none"), "").Effective("staging").Port(); got != 0 {
		t.Errorf("without a state it has port %d", got)
	}
}

func TestPortFillsGapsAndDropsWhatCannotBe(t *testing.T) {
	dir := t.TempDir()
	text := `{"version":1,"contexts":{"a":{"port":1080},"b":{"port":1080},"c":{"port":70000},"d":{"port":-1,"on":true},"e":{"port":1083},"f":{"port":22}}}`
	if err := os.WriteFile(filepath.Join(dir, fileName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	want := map[string]int{"a": 1080, "b": 1081, "c": 1082, "d": 1084, "e": 1083, "f": 22}
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		if got := port(t, s, name); got != want[name] {
			t.Errorf("Port(%s) = %d, want %d", name, got, want[name])
		}
	}
	if got := s.On(); !slices.Equal(got, []string{"d"}) {
		t.Errorf("On() = %v", got)
	}
}

func TestNoPortIsLeft(t *testing.T) {
	full := state{Version: version, Contexts: map[string]contextState{}}
	for n := FirstPort; n <= lastPort; n++ {
		full.Contexts[fmt.Sprint(n)] = contextState{Ports: []assignedPort{{Port: n}}}
	}
	if port, err := full.freePort(nil); err == nil {
		t.Errorf("freePort() = %d", port)
	}
	delete(full.Contexts, "65535")
	if port, err := full.freePort(nil); port != lastPort || err != nil {
		t.Errorf("freePort() = %d, %v", port, err)
	}
}

func TestOnIsRememberedAndSorted(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, name := range []string{"b", "c", "a"} {
		if err := s.SetOn(name, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SetOn("c", false); err != nil {
		t.Fatal(err)
	}
	if got := open(t, dir).On(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("On() = %v", got)
	}
}

func TestOnlyTheOwnerCanReadTheState(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // there the profile directory's own rights do it
	}
	dir := filepath.Join(t.TempDir(), "fairlead")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	port(t, open(t, dir), "a")
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, fileName): 0o600, filepath.Join(dir, fileName+".lock"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %o", path, info, err, want)
		}
	}
}

func TestDamagedFileIsKeptAsideAndReported(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "cut off": `{"version":1,"contexts":{"a":{"po`, "not JSON": "\x00\xff", "other version": `{"version":3}`, "no version": `{}`,
		"wrong type": `{"version":1,"contexts":[]}`, "more behind": `{"version":1,"contexts":{}}{}`, "huge": strings.Repeat(" ", maxSize+1),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, fileName)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			s, damage, err := Open(dir)
			var damaged *DamagedError
			if err != nil || !errors.As(damage, &damaged) {
				t.Fatalf("Open() = %v, %v", damage, err)
			}
			if kept, err := os.ReadFile(damaged.Kept); err != nil || string(kept) != text {
				t.Errorf("kept %q, %v", kept, err)
			}
			if !strings.HasPrefix(damaged.Kept, path+".damaged-") || !strings.Contains(damage.Error(), damaged.Kept) {
				t.Errorf("error %q, kept as %s", damage, damaged.Kept)
			}
			if got := port(t, s, "a"); got != FirstPort {
				t.Errorf("Port() = %d", got)
			}
		})
	}
}

func TestDamageWhileRunningLosesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	port(t, s, "a")
	port(t, s, "b")
	for range 3 { // more than one in the same moment, too
		if err := os.WriteFile(filepath.Join(dir, fileName), []byte("!"), 0o600); err != nil {
			t.Fatal(err)
		}
		var damaged *DamagedError
		if err := s.SetOn("b", true); !errors.As(err, &damaged) {
			t.Errorf("SetOn() = %v", err)
		}
	}
	if kept, _ := filepath.Glob(filepath.Join(dir, fileName+".damaged-*")); len(kept) != 3 {
		t.Errorf("kept %v", kept)
	}
	again := open(t, dir)
	if got := port(t, again, "b"); got != 1081 || !slices.Equal(again.On(), []string{"b"}) {
		t.Errorf("port %d, on %v", got, again.On())
	}
}

func TestLeftoversOfACrashDoNotHurt(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName+".new"), []byte(`{"ver`), 0o644); err != nil {
		t.Fatal(err)
	}
	port(t, open(t, dir), "a")
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v; want the state and its lock", entries, err)
	}
}

func TestStateThatCannotBeWrittenIsAnError(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, fileName), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(dir); err == nil {
		t.Error("a directory in the file's place was taken for a state")
	}
	if _, _, err := Open(filepath.Join(dir, fileName+".lock")); err == nil {
		t.Error("a file was taken for the directory")
	}
}

func TestProcessesAndGoroutinesDoNotLoseEachOthersChanges(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			if out, err := self(t, "store", dir, fmt.Sprint("process", i, "-")).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
		wg.Go(func() {
			for n := range 10 {
				name := fmt.Sprint("goroutine", i, "-", n)
				if _, err := s.port(name, Config{}); err != nil {
					t.Error(err)
				}
				if err := s.SetOn(name, true); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var now state
	text, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil || json.Unmarshal(text, &now) != nil {
		t.Fatalf("%v: %s", err, text)
	}
	seen := map[int]bool{}
	for name, c := range now.Contexts {
		port := c.proxyPort().Port
		if seen[port] || port < FirstPort || port >= FirstPort+60 || !c.On {
			t.Errorf("%s: %+v", name, c)
		}
		seen[port] = true
	}
	if len(seen) != 60 {
		t.Errorf("%d contexts, want 60", len(seen))
	}
}

func TestDirIsInTheXDGStateHome(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		return // their places are the library's
	}
	t.Setenv("XDG_STATE_HOME", "/home/someone/state")
	xdg.Reload()
	if dir, err := Dir(); dir != "/home/someone/state/fairlead" || err != nil {
		t.Errorf("Dir() = %s, %v", dir, err)
	}
}
