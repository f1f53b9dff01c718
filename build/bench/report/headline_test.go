package report

import (
	"strings"
	"testing"
)

func TestTheHeadlineHasTheRatiosOfTheTable(t *testing.T) {
	run := Run{}
	for i, work := range []string{"first byte, warm, R = 160 ms [ms]", "first byte, warm, R = 40 ms [ms]", "short requests, 32 at once, R = 40 ms [1/s]", "16 downloads, R = 40 ms [MiB/s]"} {
		name, unit, _ := strings.Cut(strings.TrimSuffix(work, "]"), " [")
		m := Measure{Work: name, Unit: unit, Lower: i < 2, Reference: Reference{"R", 40}, Goals: []Goal{{Of: "R", AtMost: 1}, {Of: Baseline, AtMost: 1}}}
		m.Add(Judged, float64(10*(i+1)))
		m.Add(Baseline, 100)
		m.Judge()
		run.Measures = append(run.Measures, m)
	}
	var table strings.Builder
	if err := run.WriteMarkdown(&table); err != nil {
		t.Fatal(err)
	}
	sentence, err := Headline(table.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"takes 0.20 × the time", "0.30 × as many", "0.40 × as fast"} {
		if !strings.Contains(sentence, want) {
			t.Errorf("no %q in %q", want, sentence)
		}
	}
	run.Measures = run.Measures[:3]
	table.Reset()
	if err := run.WriteMarkdown(&table); err != nil {
		t.Fatal(err)
	}
	if sentence, err := Headline(table.String()); err == nil || !strings.Contains(err.Error(), "16 downloads") {
		t.Errorf("without the downloads: %q, %v", sentence, err)
	}
}
