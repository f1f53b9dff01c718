package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// maxRunning is how many running tests of a package a status line names.
const maxRunning = 3

// An event is a line of go test -json; see go doc test2json.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// A progress is the state of a run of go test.
type progress struct {
	out      io.Writer
	began    time.Time
	packages map[string]*packageRun // running ones

	ok, failed, untested         int // packages
	passed, failedTests, skipped int // tests, without subtests
	broken                       []string
}

// A packageRun is a package whose tests run.
type packageRun struct {
	name   string
	began  time.Time
	tests  map[string]*testRun
	output []string // that belongs to no test
}

// A testRun is a test, or a subtest, that has not passed.
type testRun struct {
	name   string
	order  int
	since  time.Time // when it started to run; zero while it is paused, and at its end
	failed bool
	result string // go test's line about its result
	output []string
}

func newProgress(out io.Writer, now time.Time) *progress {
	return &progress{out: out, began: now, packages: map[string]*packageRun{}}
}

// take records an event, and prints the result of a package that ends.
func (p *progress) take(e event, now time.Time) {
	switch {
	case e.Action == "build-output":
		p.print(e.Output)
	case e.Package == "":
	case e.Test != "":
		p.takeTest(p.running(e.Package, now), e, now)
	case e.Action == "output":
		run := p.running(e.Package, now)
		run.output = append(run.output, e.Output)
	case e.Action == "pass", e.Action == "skip", e.Action == "fail":
		p.end(p.running(e.Package, now), e.Action)
	default:
		p.running(e.Package, now)
	}
}

// running returns the package's run, which it creates at the first event.
func (p *progress) running(name string, now time.Time) *packageRun {
	if p.packages[name] == nil {
		p.packages[name] = &packageRun{name: name, began: now, tests: map[string]*testRun{}}
	}
	return p.packages[name]
}

func (p *progress) takeTest(run *packageRun, e event, now time.Time) {
	test := run.tests[e.Test]
	if test == nil {
		test = &testRun{name: e.Test, order: len(run.tests)}
		run.tests[e.Test] = test
	}
	top := !strings.Contains(e.Test, "/")
	switch e.Action {
	case "run", "cont":
		test.since = now
	case "pause":
		test.since = time.Time{}
	case "output":
		test.say(e.Output)
	case "pass", "skip":
		*test = testRun{name: test.name, order: test.order} // keeps its position, discards its output
		if top && e.Action == "pass" {
			p.passed++
		} else if top {
			p.skipped++
		}
	case "fail":
		test.since, test.failed = time.Time{}, true
		if top {
			p.failedTests++
			p.print(fmt.Sprintf("fail\t%s %s (its output follows when the package ends)\n", run.name, e.Test))
		}
	}
}

// say records a line of a test's output.
func (t *testRun) say(line string) {
	trimmed := strings.TrimSpace(line)
	switch {
	case strings.HasPrefix(line, "=== "):
	case strings.HasPrefix(trimmed, "--- FAIL: "+t.name+" "):
		t.result = line
	default:
		t.output = append(t.output, line)
	}
}

// end prints the result of a package: the output of failed tests, then go test's own line.
func (p *progress) end(run *packageRun, action string) {
	delete(p.packages, run.name)
	switch action {
	case "pass":
		p.ok++
	case "skip":
		p.untested++
	case "fail":
		p.failed++
		p.printFailures(run)
		return
	}
	for _, line := range run.output {
		if strings.HasPrefix(line, "ok ") || strings.HasPrefix(line, "? ") {
			p.print(line)
		}
	}
}

// printFailures prints the output of every test of run that has failed or not ended, and of the package itself.
func (p *progress) printFailures(run *packageRun) {
	named := false
	for _, test := range slices.SortedFunc(maps.Values(run.tests), byOrder) {
		if test.failed {
			p.broken = append(p.broken, run.name+" "+test.name)
			named = true
		}
		p.print(test.result)
		for _, line := range test.output {
			p.print(line)
		}
	}
	if !named {
		p.broken = append(p.broken, run.name)
	}
	for _, line := range run.output {
		p.print(line)
	}
}

func byOrder(a, b *testRun) int { return cmp.Compare(a.order, b.order) }

// status prints a line about the running tests.
func (p *progress) status(now time.Time) {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(p.packages)) {
		parts = append(parts, p.packages[name].describe(now))
	}
	if len(parts) == 0 {
		parts = []string{"nothing yet, go test is compiling"}
	}
	p.print(fmt.Sprintf("%s\trunning: %s\n", rounded(now.Sub(p.began)), strings.Join(parts, "; ")))
}

// describe returns the name of a package and its running tests, the longest first.
func (r *packageRun) describe(now time.Time) string {
	var tests []*testRun
	for _, test := range r.tests {
		if !test.since.IsZero() && !r.waitsForSubtest(test) {
			tests = append(tests, test)
		}
	}
	slices.SortFunc(tests, func(a, b *testRun) int { return cmp.Or(a.since.Compare(b.since), byOrder(a, b)) })
	text := fmt.Sprintf("%s %s", r.name, rounded(now.Sub(r.began)))
	var names []string
	for _, test := range tests[:min(len(tests), maxRunning)] {
		names = append(names, fmt.Sprintf("%s %s", test.name, rounded(now.Sub(test.since))))
	}
	if more := len(tests) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	if len(names) == 0 {
		return text
	}
	return text + " (" + strings.Join(names, ", ") + ")"
}

// waitsForSubtest reports whether a subtest of test is running.
func (r *packageRun) waitsForSubtest(test *testRun) bool {
	for name, other := range r.tests {
		if !other.since.IsZero() && strings.HasPrefix(name, test.name+"/") {
			return true
		}
	}
	return false
}

// summarize prints the counts, and the names of the failed tests again. Packages that have not ended were interrupted.
func (p *progress) summarize(now time.Time) {
	for _, name := range slices.Sorted(maps.Keys(p.packages)) {
		p.end(p.packages[name], "fail")
	}
	for _, name := range p.broken {
		p.print("failed\t" + name + "\n")
	}
	p.print(fmt.Sprintf("total\t%d packages ok, %d failed, %d without tests; %d tests passed, %d failed, %d skipped; %s\n",
		p.ok, p.failed, p.untested, p.passed, p.failedTests, p.skipped, rounded(now.Sub(p.began))))
}

func rounded(d time.Duration) time.Duration { return d.Round(time.Second) }

func (p *progress) print(text string) { _, _ = io.WriteString(p.out, text) } // a terminal that is gone ends the run
