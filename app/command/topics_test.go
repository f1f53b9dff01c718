package command

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// moduleRoot is the folder of go.mod.
func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(".")
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	t.Fatalf("no go.mod above this package: %v", err)
	return ""
}

// testsOf returns the names of the tests and fuzzers of a package.
func testsOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && (strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz")) {
				names[f.Name.Name] = true
			}
		}
	}
	return names
}

var (
	threatLine = regexp.MustCompile(`^([ 12][0-9])  \S`)
	testLine   = regexp.MustCompile(`^    Test: (\S+) (\S+)$`)
)

// A threat is one row of the table.
type threat struct {
	number int
	tests  [][2]string // package and name
	open   bool
}

// threats reads the table of the topic.
func threats(t *testing.T) []threat {
	t.Helper()
	var rows []threat
	for _, line := range strings.Split(securityText, "\n") {
		if m := threatLine.FindStringSubmatch(line); m != nil {
			number, err := strconv.Atoi(strings.TrimSpace(m[1]))
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, threat{number: number})
			continue
		}
		if len(rows) == 0 {
			continue
		}
		row := &rows[len(rows)-1]
		if m := testLine.FindStringSubmatch(line); m != nil {
			row.tests = append(row.tests, [2]string{m[1], m[2]})
		} else if strings.Contains(line, "Test:") {
			t.Errorf("no test is named by %q", line)
		}
		row.open = row.open || strings.HasPrefix(line, "    Not closed: ")
	}
	return rows
}

// Each threat has tests that are there, or says that it is open.
func TestEveryThreatHasItsTests(t *testing.T) {
	root, known := moduleRoot(t), map[string]map[string]bool{}
	rows := threats(t)
	if len(rows) != 21 {
		t.Errorf("%d threats, want 21", len(rows))
	}
	for i, row := range rows {
		if row.number != i+1 {
			t.Errorf("threat %d stands where %d is expected", row.number, i+1)
		}
		if len(row.tests) == 0 && !row.open {
			t.Errorf("threat %d has no test, and does not say that it is open", row.number)
		}
		for _, test := range row.tests {
			pkg, name := test[0], test[1]
			if known[pkg] == nil {
				known[pkg] = testsOf(t, filepath.Join(root, filepath.FromSlash(pkg)))
			}
			if !known[pkg][name] {
				t.Errorf("threat %d names %s in %s, which is not there", row.number, name, pkg)
			}
		}
	}
}

func TestTopicsArePrinted(t *testing.T) {
	for line, want := range map[string]string{"help security": securityText, "help": "\n  fairlead security"} {
		called, out, err := recorded(strings.Fields(line))
		if called != "" || !strings.Contains(out, strings.TrimSpace(want)) || err != nil {
			t.Errorf("fairlead %s: %q, %v, called %q", line, out, err, called)
		}
	}
	for number, line := range strings.Split(securityText, "\n") {
		if utf8.RuneCountInString(line) > 100 || strings.TrimRight(line, " ") != line {
			t.Errorf("line %d of the topic: %q", number+1, line)
		}
	}
}
