package main

import (
	"bytes"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"fairlead/app/command"
)

//go:embed packages.txt
var packages string

// rendered returns a page as a terminal shows it, with lines that are long enough for every paragraph. A warning of
// groff fails the test.
func rendered(t *testing.T, name, page string) string {
	t.Helper()
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Fatalf("%v; install with: apt-get install -y --no-install-recommends %s", err, strings.TrimSpace(packages))
	}
	cmd := exec.Command(groff, "-man", "-Tutf8", "-ww", "-rLL=3000n", "-P-c", "-P-b", "-P-o", "-P-u")
	cmd.Stdin = strings.NewReader(page)
	var warnings bytes.Buffer
	cmd.Stderr = &warnings
	out, err := cmd.Output()
	if err != nil || warnings.Len() > 0 {
		t.Errorf("groff on %s: %v\n%s", name, err, warnings.String())
	}
	return string(out)
}

// words returns a text with all white space replaced by single spaces.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }

// commands returns every command and topic that is not hidden.
func commands(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, sub := range cmd.Commands() {
		if sub.Name() != "help" && !sub.Hidden {
			all = append(all, commands(sub)...)
		}
	}
	return all
}

func TestEveryCommandAndTopicHasItsPage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "man")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	stale, other := filepath.Join(dir, "fairlead-gone.7"), filepath.Join(dir, "ls.1")
	for _, file := range []string{stale, other} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := write(dir); err != nil {
		t.Fatal(err)
	}
	want := []string{"ls.1"}
	for _, cmd := range commands(command.Tree()) {
		section := ".1"
		if !cmd.Runnable() && !cmd.HasSubCommands() {
			section = ".7"
		}
		want = append(want, strings.ReplaceAll(cmd.CommandPath(), " ", "-")+section)
	}
	slices.Sort(want)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, file := range files {
		got = append(got, file.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("there are\n%q, want\n%q", got, want)
	}
	for _, name := range []string{"fairlead.1", "fairlead-settings-check.1", "fairlead-names.7", "fairlead-security.7"} {
		if !slices.Contains(got, name) {
			t.Errorf("there is no %s", name)
		}
	}
}

// A page has the words that "fairlead help" prints, and groff accepts it without warnings.
func TestPagesHaveTheTextOfTheHelp(t *testing.T) {
	root := command.Tree()
	all := pages(root)
	for _, cmd := range commands(root) {
		name := fileName(cmd)
		got := words(rendered(t, name, all[name]))
		want := []string{cmd.Short, cmd.Example}
		if section(cmd) == topicSection {
			_, body, _ := strings.Cut(cmd.Long, "\n")
			want = append(want, "DESCRIPTION "+body+" SEE ALSO fairlead(1)")
		} else {
			want = append(want, strings.Join(cmd.Aliases, ", "), cmd.Long, cmd.UseLine(), cmd.NonInheritedFlags().FlagUsages(), "-h, --help")
		}
		for _, text := range want {
			if !strings.Contains(got, words(text)) {
				t.Errorf("%s does not have\n%s\nbut\n%s", name, words(text), got)
			}
		}
	}
}

func TestThePageOfFairleadListsAllOthers(t *testing.T) {
	root := command.Tree()
	got := words(rendered(t, "fairlead.1", page(root)))
	for _, cmd := range shown(root) {
		if want := pageName(cmd) + "(" + section(cmd) + ") " + words(cmd.Short); !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// roff prints every line literally, whatever it contains.
func TestTextIsNoRequestToRoff(t *testing.T) {
	text := ".SH no heading\n'br no break\n\\fBno font\\fP\n  a -b --c \"d\" 'e' `f` ^ ~ | ≤ é …\n.\n\\"
	var out strings.Builder
	out.WriteString(".TH A 1\n.SH B\n")
	writeLines(&out, text)
	got := rendered(t, "the text", out.String())
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.Contains(got, "       "+line+"\n") {
			t.Errorf("no line %q in\n%s", line, got)
		}
	}
}

func TestHeadingsParagraphsAndTablesAreDistinguished(t *testing.T) {
	var out strings.Builder
	writeText(&out, "\nA heading\n\nA paragraph\nof two lines.\n\nOf one line:\n\nterm\n    what it is\n\n    a   table\n")
	want := ".SH A heading\n.PP\nA paragraph\nof two lines.\n.PP\nOf one line:\n.PP\n.nf\nterm\n    what it is\n.fi\n.PP\n.nf\n    a   table\n.fi\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

// Task build makes the manual, and task test installs the program that renders it.
func TestTheTasksKnowTheManual(t *testing.T) {
	text, err := os.ReadFile("../../Taskfile.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Tasks map[string]struct {
			Cmd  string
			Cmds yaml.Node
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var build []string
	cmds := file.Tasks["build"].Cmds
	if err := cmds.Decode(&build); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(build, "go run ./build/man bin/man") {
		t.Errorf("task build does not make the manual, but %q", build)
	}
	if install := file.Tasks["packages"].Cmd; !slices.Contains(strings.Fields(install), "build/man/packages.txt") {
		t.Errorf("task packages does not install groff, but runs %q", install)
	}
}
