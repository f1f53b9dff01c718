package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const patience = time.Minute

// module writes files into a new module and makes it the working directory.
func module(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	files["go.mod"] = "module example\n\ngo 1.26\n"
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// testFile returns a test file of package p with body.
func testFile(body string) string {
	return "package p\n\nimport (\n\t\"testing\"\n\t\"time\"\n)\n\nvar _ = time.Now\n\n" + body
}

func TestAGoodRunIsShownAsItGoes(t *testing.T) {
	module(t, map[string]string{
		"quick/p_test.go": testFile(`
func TestQuick(t *testing.T) { t.Log("not worth printing") }
func TestLeftOut(t *testing.T) { t.Skip() }
`),
		"slow/p_test.go": testFile(`
func TestSlow(t *testing.T) {
	t.Run("part", func(t *testing.T) { time.Sleep(1500 * time.Millisecond) })
}
`),
		"none/p.go": "package p\n",
	})
	var out bytes.Buffer
	status, err := run(t.Context(), &out, 200*time.Millisecond, []string{"-count=1", "./..."})
	if status != 0 || err != nil {
		t.Fatalf("status %d, %v\n%s", status, err, &out)
	}
	for _, want := range []string{
		`(?m)^ok  \texample/quick\t[0-9.]+s$`, `(?m)^ok  \texample/slow\t[0-9.]+s$`, `(?m)^\?   \texample/none\t\[no test files\]$`,
		`(?m)^\d+s\trunning: .*example/slow \d+s \(TestSlow/part \d+s\)`,
		`total\t2 packages ok, 0 failed, 1 without tests; 2 tests passed, 0 failed, 1 skipped; \d+s\n$`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("no %s in:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "not worth printing") || strings.Contains(out.String(), "===") {
		t.Errorf("what passed is printed:\n%s", &out)
	}
}

func TestFailuresArePrintedWhole(t *testing.T) {
	module(t, map[string]string{
		"good/p_test.go": testFile("func TestGood(t *testing.T) {}\n"),
		"bad/p_test.go": testFile(`
func TestBad(t *testing.T) {
	t.Run("fine", func(t *testing.T) { t.Log("silent") })
	t.Run("wrong", func(t *testing.T) { t.Log("before"); t.Error("no good") })
}
`),
		"panics/p_test.go": testFile("func TestPanics(t *testing.T) { panic(\"at the disco\") }\n"),
		"broken/p_test.go": testFile("func TestBroken(t *testing.T) { undefinedThing() }\n"),
		"exits/p_test.go":  "package p\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestMain(m *testing.M) { println(\"no luck\"); os.Exit(7) }\n",
	})
	var out bytes.Buffer
	status, err := run(t.Context(), &out, time.Hour, []string{"-count=1", "./..."})
	if status != 1 || err != nil {
		t.Fatalf("status %d, %v", status, err)
	}
	for _, want := range []string{
		"--- FAIL: TestBad \\([0-9.]+s\\)\n--- FAIL: TestBad/wrong \\([0-9.]+s\\)\n    p_test.go:\\d+: before\n    p_test.go:\\d+: no good\n",
		"(?m)^FAIL\texample/bad\t[0-9.]+s$", "(?m)^FAIL\texample/panics\t[0-9.]+s$", "panic: at the disco",
		"undefined: undefinedThing", "(?m)^FAIL\texample/broken \\[build failed\\]$", "(?m)^no luck$", "(?m)^FAIL\texample/exits\t[0-9.]+s$",
		"(?m)^ok  \texample/good\t[0-9.]+s$", "(?m)^failed\texample/bad TestBad/wrong$", "(?m)^failed\texample/panics TestPanics$",
		"(?m)^failed\texample/broken$", "(?m)^failed\texample/exits$",
		`total\t1 packages ok, 4 failed, 0 without tests; 1 tests passed, 2 failed, 0 skipped; \d+s\n$`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("no %s in:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "silent") {
		t.Errorf("what passed is printed:\n%s", &out)
	}
}

func TestAnInterruptEndsTheTestsToo(t *testing.T) {
	program := filepath.Join(t.TempDir(), "testrun")
	if text, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	dir := module(t, map[string]string{
		"p_test.go": `package p

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestForEver(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("pids.new", fmt.Appendf(nil, "%d %d", os.Getpid(), cmd.Process.Pid), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename("pids.new", "pids"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Hour)
}
`,
	})
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		_ = os.Remove(filepath.Join(dir, "pids"))
		cmd := exec.Command(program, "-count=1", "./...")
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var pids []byte
		await(t, "the test to run", func() bool {
			var err error
			pids, err = os.ReadFile(filepath.Join(dir, "pids"))
			return err == nil
		})
		_ = cmd.Process.Signal(signal) // if the program has ended, the test fails below
		err := cmd.Wait()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(out.String(), "failed\texample") {
			t.Errorf("%v: %v\n%s", signal, err, &out)
		}
		for _, text := range strings.Fields(string(pids)) {
			pid, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			await(t, "process "+text+" to end", func() bool { return !alive(pid) })
		}
	}
}

// alive reports whether a process runs. A zombie does not.
func alive(pid int) bool {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	return err == nil && !bytes.Contains(status, []byte("State:\tZ"))
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("gave up waiting for %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}
