package command

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// moduleRoot returns the directory of go.mod.
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

// A threat is one entry of the topic security.
type threat struct {
	number int
	tests  [][2]string // package and name
	open   bool
}

// threats returns the entries of the topic security.
func threats(t *testing.T) []threat {
	t.Helper()
	var rows []threat
	for _, line := range strings.Split(text("security"), "\n") {
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
			t.Errorf("malformed line %q", line)
		}
		row.open = row.open || strings.HasPrefix(line, "    Not closed: ")
	}
	return rows
}

// Each threat must have tests that exist, or be marked as open.
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
	_, list, err := recorded([]string{"help"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range topics() {
		name, want := c.Name(), text(c.Name())
		called, out, err := recorded([]string{"help", name})
		if called != "" || !strings.Contains(out, strings.TrimSpace(want)) || err != nil {
			t.Errorf("fairlead help %s: %q, %v, called %q", name, out, err, called)
		}
		if title, _, _ := strings.Cut(want, "\n"); !regexp.MustCompile(`(?m)^  fairlead ` + name + ` +` + regexp.QuoteMeta(title) + `$`).MatchString(list) {
			t.Errorf("fairlead help does not list %s as %q:\n%s", name, title, list)
		}
	}
}

// Each text must be a topic, or describe a command of its name, and no topic may hide a command.
func TestEveryTextIsShown(t *testing.T) {
	files, err := texts.ReadDir("help")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(file.Name(), ".txt")
		found, _, err := Tree().Find([]string{name})
		if err != nil || found.Name() != name || found.Long != text(name) {
			t.Errorf("help/%s is not the text of %q: %v", file.Name(), name, err)
		}
		for number, line := range strings.Split(text(name), "\n") {
			if utf8.RuneCountInString(line) > 100 || strings.TrimRight(line, " ") != line {
				t.Errorf("line %d of %s: %q", number+1, file.Name(), line)
			}
		}
	}
	words := map[string]bool{}
	for _, c := range Tree().Commands() {
		for _, word := range append(c.Aliases, c.Name()) {
			if words[word] {
				t.Errorf("%q is two commands, or a command and a topic", word)
			}
			words[word] = true
		}
	}
}

// The manual is made from Tree, which must have every command.
func TestTheTreeHasEveryCommand(t *testing.T) {
	var all Actions
	value := reflect.ValueOf(&all).Elem()
	for i := range value.NumField() {
		if field := value.Field(i); field.Kind() == reflect.Func {
			field.Set(reflect.MakeFunc(field.Type(), func([]reflect.Value) []reflect.Value { return nil }))
		}
	}
	all.For = nil // it is called to build the tree
	if got, want := paths(Tree()), paths(root(all)); !slices.Equal(got, want) {
		t.Errorf("the tree has %q, want %q", got, want)
	}
}

// paths returns the names of a command and of all its subcommands, in full.
func paths(cmd *cobra.Command) []string {
	all := []string{cmd.CommandPath()}
	for _, sub := range cmd.Commands() {
		all = append(all, paths(sub)...)
	}
	return all
}

var (
	helpLine     = regexp.MustCompile(`fairlead help ([a-z]+)`)
	markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
)

// documents returns the Markdown files, by their path from the module's root.
func documents(t *testing.T, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"README.md", ".github/*.md", "build/*/README.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || found == nil {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range found {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name, err := filepath.Rel(root, file)
			if err != nil {
				t.Fatal(err)
			}
			all[filepath.ToSlash(name)] = string(content)
		}
	}
	return all
}

// The README must refer to every topic, and documents and topics only to topics that exist.
func TestTheReadmeLeadsToEveryTopic(t *testing.T) {
	docs := documents(t, moduleRoot(t))
	for _, c := range topics() {
		if !strings.Contains(docs["README.md"], "fairlead help "+c.Name()) {
			t.Errorf("the README does not name the topic %s", c.Name())
		}
		docs["the topic "+c.Name()] = c.Long
	}
	for name, doc := range docs {
		for _, m := range helpLine.FindAllStringSubmatch(doc, -1) {
			if found, _, err := Tree().Find([]string{m[1]}); err != nil || found.Name() != m[1] {
				t.Errorf("%s names %q: there is no such topic", name, m[0])
			}
		}
	}
}

func TestLinksOfTheDocumentsLead(t *testing.T) {
	root := moduleRoot(t)
	for name, doc := range documents(t, root) {
		for _, m := range markdownLink.FindAllStringSubmatch(doc, -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(name), filepath.FromSlash(target))); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
