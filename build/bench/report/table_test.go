package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func example() Run {
	m := Measure{
		Row: 1, Work: "first <byte>", Unit: "ms", Lower: true, Reference: Reference{"R", 40},
		Goals: []Goal{{Of: "R", AtMost: 1.1}, {Of: Baseline, AtMost: 0.2}},
	}
	m.Add(Judged, 42, 41.5, 43)
	m.Add(Baseline, 126)
	m.Fail("other", errors.New("it did not start"))
	m.Judge()
	aside := Measure{Row: 2, Work: "for information"}
	aside.Add(Judged, 7)
	aside.Judge()
	return Run{When: "some day", Machine: "a machine", Measures: []Measure{m, aside}, Notes: []string{"a note"}}
}

func TestMarkdownHasALineForEachWork(t *testing.T) {
	var out strings.Builder
	if err := example().WriteMarkdown(&out); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"| 1 | first &lt;byte&gt; [ms] | 42 | 41.5–43 | 126 | ≤ 1.10 × R; ≤ 0.20 × kubectl | 1.05 × R; 0.33 × kubectl | met; MISSED |\n",
		"| 2 | for information | 7 | 7–7 | – |  |  |  |\n",
		"1 of 2 goals met. some day, a machine.",
		"\na note\n",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no %q in\n%s", line, out.String())
		}
	}
}

// A measure without a goal is still compared with its reference, if that was measured.
func TestMarkdownComparesWithTheReferenceWithoutAGoal(t *testing.T) {
	for reference, want := range map[Reference]string{
		{Name: "curl", Value: 8}: "| 12 | first byte | 6 | 6–6 | – |  | 0.75 × curl |  |\n",
		{Name: "curl"}:           "| 12 | first byte | 6 | 6–6 | – |  |  |  |\n",
	} {
		m := Measure{Row: 12, Work: "first byte", Reference: reference}
		m.Add(Judged, 6)
		m.Judge()
		var out strings.Builder
		if err := (Run{Measures: []Measure{m}}).WriteMarkdown(&out); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestTableShowsResultsAndMissedGoals(t *testing.T) {
	var out strings.Builder
	if err := example().WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	want := []string{
		"1 | first <byte> [ms] | fairlead | 42 | 41.5–43 | 0.33 | 1.05 R | ≤ 1.10 × R | 1.05 × R | met",
		"| | | | | | | ≤ 0.20 × kubectl | 0.33 × kubectl | MISSED",
		"| | kubectl | 126 | 126–126 | | 3.15 R | | |",
		"| | other | – | it did not start | | | | |",
		"2 | for information | fairlead | 7 | 7–7 | | | (none) | |",
		"",
		"1 of 2 goals met",
		"spread: first and third quartile, of fewer than 8 samples smallest and largest",
		"a note",
	}
	if len(got) < 2+len(want) {
		t.Fatalf("%d lines:\n%s", len(got), out.String())
	}
	for i, line := range want {
		if got[i+2] != line {
			t.Errorf("line %d is\n%s\nwant\n%s", i+2, got[i+2], line)
		}
	}
}

func TestPictureIsWellFormedAndDrawsABarForEachSubject(t *testing.T) {
	var out bytes.Buffer
	if err := example().WritePicture(&out); err != nil {
		t.Fatal(err)
	}
	bars := 0
	for decoder := xml.NewDecoder(&out); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if element, ok := token.(xml.StartElement); ok && element.Name.Local == "rect" {
			bars++
		}
	}
	if bars != 1+3 {
		t.Errorf("%d rectangles, want the background and three bars", bars)
	}
}

func TestSamplesCanBeReadBackFromJSON(t *testing.T) {
	text, err := json.Marshal(example())
	if err != nil {
		t.Fatal(err)
	}
	var back Run
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if got := back.Measures[0].Subjects[0].Samples; len(got) != 3 || got[0] != 42 {
		t.Errorf("samples %v", got)
	}
	if got := back.Measures[0].Goals[1].Verdict; got != Missed {
		t.Errorf("verdict %s", got)
	}
}
