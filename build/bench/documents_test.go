package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/build/bench/report"
)

const repository = "../.."

// wholeRun returns a run with the works of the headline, in which the baseline has ten times the value.
func wholeRun() report.Run {
	run := report.Run{When: "some day"}
	for _, work := range []string{"first byte, warm, R = 40 ms", "short requests, 32 at once, R = 40 ms", "16 downloads, R = 40 ms"} {
		unit := map[byte]string{'f': "ms", 's': "1/s", '1': "MiB/s"}[work[0]]
		m := report.Measure{Work: work, Unit: unit, Goals: []report.Goal{{Of: report.Baseline, AtLeast: 1}}}
		m.Add(report.Judged, 10)
		m.Add(report.Baseline, 100)
		m.Judge()
		run.Measures = append(run.Measures, m)
	}
	return run
}

// documentOf reads a document and returns it with the text between its marks.
func documentOf(t *testing.T, root, name string) (text, between string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	if _, between, _, err = results(string(content)); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(content), between
}

// The README has the same ratios as the table.
func TestTheReadmeAgreesWithTheTable(t *testing.T) {
	if err := checkDocuments(repository); err != nil {
		t.Fatal(err)
	}
	_, table := documentOf(t, repository, benchDocument)
	want, err := report.Headline(table)
	if err != nil {
		t.Fatal(err)
	}
	if _, got := documentOf(t, repository, mainDocument); got != want {
		t.Errorf("the README says\n%s\nand the table\n%s", got, want)
	}
}

func TestARunIsWrittenIntoTheDocuments(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, filepath.Dir(benchDocument)), 0o755); err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(mainDocument, "before\n"+resultsBegin+"old"+resultsEnd+"\nafter\n")
	put(benchDocument, "no marks\n")
	if err := checkDocuments(root); err == nil || !strings.Contains(err.Error(), benchDocument) {
		t.Errorf("a document without marks: %v", err)
	}
	put(benchDocument, "# Table\n"+resultsBegin+"old"+resultsEnd+"\nwhy\n")
	for range 2 {
		if err := writeDocuments(root, wholeRun()); err != nil {
			t.Fatal(err)
		}
	}
	text, headline := documentOf(t, root, mainDocument)
	if !strings.HasPrefix(text, "before\n") || !strings.HasSuffix(text, "\nafter\n") || !strings.Contains(headline, "0.10 × as fast") || strings.Contains(text, "old") {
		t.Errorf("the README is\n%s", text)
	}
	text, table := documentOf(t, root, benchDocument)
	if !strings.HasPrefix(text, "# Table\n") || !strings.HasSuffix(text, "\nwhy\n") || strings.Count(text, "16 downloads") != 1 || !strings.Contains(table, "some day") {
		t.Errorf("the table's document is\n%s", text)
	}
	if picture, err := os.ReadFile(filepath.Join(root, benchPicture)); err != nil || !strings.Contains(string(picture), "<svg") {
		t.Errorf("the picture: %q, %v", picture, err)
	}
	if err := writeDocuments(root, report.Run{}); err == nil {
		t.Error("a run without the works of the headline is written")
	}
}
