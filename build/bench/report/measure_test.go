package report

import (
	"errors"
	"math"
	"testing"
)

func TestQuantileInterpolatesBetweenNeighbours(t *testing.T) {
	samples := []float64{40, 10, 30, 20}
	for q, want := range map[float64]float64{0: 10, 0.5: 25, 0.9: 37, 1: 40} {
		if got := Quantile(samples, q); math.Abs(got-want) > 1e-9 {
			t.Errorf("quantile %.1f is %g, want %g", q, got, want)
		}
	}
	if samples[0] != 40 {
		t.Error("the samples were sorted in place")
	}
	if got := Quantile([]float64{7}, 0.9); got != 7 {
		t.Errorf("of one sample: %g", got)
	}
	if got := Quantile(nil, 0.5); !math.IsNaN(got) {
		t.Errorf("of none: %g", got)
	}
}

func TestSpreadIsTheExtremesOfFewAndTheQuartilesOfMany(t *testing.T) {
	if got, want := Summarize([]float64{3, 1, 2}), (Summary{3, 2, 1, 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := Summarize([]float64{0, 1, 2, 3, 4, 5, 6, 7, 100}), (Summary{9, 4, 2, 6}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := Summarize(nil); got != (Summary{}) {
		t.Errorf("of none: %+v", got)
	}
}

func TestGoalsAreHeldAgainstTheMedian(t *testing.T) {
	m := Measure{
		Reference: Reference{"R", 40},
		Goals: []Goal{
			{Of: "R", AtMost: 1.10},
			{Of: "R", AtMost: 1.00},
			{Of: Baseline, AtMost: 0.36},
			{Of: Baseline, AtLeast: 0.36},
			{AtMost: 42},
			{AtMost: 41.9, Text: "no more"},
			{AtLeast: 42},
			{AtLeast: 43},
		},
	}
	m.Add(Judged, 42, 1000, 1)
	m.Add(Baseline, 120)
	m.Judge()
	for i, want := range []Verdict{Met, Missed, Met, Missed, Met, Missed, Met, Missed} {
		if got := m.Goals[i].Verdict; got != want {
			t.Errorf("%s: %s, want %s", m.Goals[i], got, want)
		}
	}
}

func TestWhatWasNotMeasuredIsNotJudged(t *testing.T) {
	m := Measure{Goals: []Goal{{Of: Baseline, AtMost: 1}, {AtMost: 1}, {Of: "R", AtMost: 1}}}
	m.Add(Baseline, 5)
	m.Fail(Judged, errors.New("no route"))
	m.Judge()
	for _, g := range m.Goals {
		if g.Verdict != Unknown {
			t.Errorf("%s: %s", g, g.Verdict)
		}
	}
	alone := Measure{Goals: []Goal{{Of: Baseline, AtLeast: 1}, {AtLeast: 1}}}
	alone.Add(Judged, 5)
	alone.Judge()
	if alone.Goals[0].Verdict != Unknown || alone.Goals[1].Verdict != Met {
		t.Errorf("without a baseline: %+v", alone.Goals)
	}
}

func TestAGoalOfZeroOfTheBaselineIsUnknown(t *testing.T) {
	m := Measure{Goals: []Goal{{Of: Baseline, AtLeast: 2}}}
	m.Add(Judged, 5)
	m.Add(Baseline, 0)
	m.Judge()
	if m.Goals[0].Verdict != Unknown {
		t.Errorf("five against none: %s", m.Goals[0].Verdict)
	}
}
