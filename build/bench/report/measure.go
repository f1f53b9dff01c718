// Package report evaluates and prints the results of a benchmark: samples, their medians and spread, the goals, and the
// table, JSON and picture. It measures nothing.
package report

import (
	"fmt"
	"math"
	"slices"
)

// A Measure is one kind of work, done by each of several subjects.
type Measure struct {
	Row       int       `json:"row"`
	Work      string    `json:"work"`
	Unit      string    `json:"unit"`
	Lower     bool      `json:"lowerIsBetter"`
	Reference Reference `json:"reference,omitzero"`
	Subjects  []Subject `json:"subjects"`
	Goals     []Goal    `json:"goals,omitempty"` // of the subject that is judged
}

// A Reference is a value from the same run with which results are compared in addition to kubectl's: the round trip, or
// the rate that it allows.
type Reference struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

// A Subject is one of the compared ways with its samples.
type Subject struct {
	Name    string    `json:"name"`
	Samples []float64 `json:"samples"`
	Problem string    `json:"problem,omitempty"` // why samples are missing
	Summary Summary   `json:"summary,omitzero"`
}

// The judged subject, and the one with which it is compared.
const (
	Judged   = "fairlead"
	Baseline = "kubectl"
)

// A Goal bounds the judged subject's median: AtMost or AtLeast times the median of Of or, if that is empty, in the
// measure's unit.
type Goal struct {
	Of      string  `json:"of,omitempty"` // Baseline or the Reference's name
	AtMost  float64 `json:"atMost,omitempty"`
	AtLeast float64 `json:"atLeast,omitempty"`
	Text    string  `json:"text,omitempty"` // the printed form, if the bound was computed from something else
	// Value is the measured value in the terms of the bound; it is meaningless if the verdict is Unknown.
	Value   float64 `json:"value"`
	Verdict Verdict `json:"verdict"`
}

// A Verdict is the result of a goal.
type Verdict string

// Unknown is the verdict if one of the two sides could not be measured.
const (
	Met     Verdict = "met"
	Missed  Verdict = "MISSED"
	Unknown Verdict = "unknown"
)

// A Summary summarizes samples.
type Summary struct {
	Count  int     `json:"count"`
	Median float64 `json:"median"`
	Low    float64 `json:"low"`  // the first quartile; of fewer than 8 samples the smallest
	High   float64 `json:"high"` // the third quartile; of fewer than 8 samples the largest
}

// quartilesFrom is the number of samples from which quartiles are printed instead of the extremes.
const quartilesFrom = 8

// Summarize returns a summary of samples, which is zero if there are none.
func Summarize(samples []float64) Summary {
	if len(samples) == 0 {
		return Summary{}
	}
	s := Summary{Count: len(samples), Median: Quantile(samples, 0.5), Low: slices.Min(samples), High: slices.Max(samples)}
	if len(samples) >= quartilesFrom {
		s.Low, s.High = Quantile(samples, 0.25), Quantile(samples, 0.75)
	}
	return s
}

// Quantile returns the q-quantile (0 to 1) of the samples, interpolated between neighbours. It returns NaN if there are
// none.
func Quantile(samples []float64, q float64) float64 {
	if len(samples) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(samples))
	at := q * float64(len(sorted)-1)
	below := int(at)
	if below == len(sorted)-1 {
		return sorted[below]
	}
	return sorted[below] + (at-float64(below))*(sorted[below+1]-sorted[below])
}

// Judge fills in the summaries and the verdicts.
func (m *Measure) Judge() {
	for i := range m.Subjects {
		m.Subjects[i].Summary = Summarize(m.Subjects[i].Samples)
	}
	for i := range m.Goals {
		m.Goals[i].Value, m.Goals[i].Verdict = m.verdict(m.Goals[i])
	}
}

// verdict returns the measured value in the goal's terms, and the verdict.
func (m *Measure) verdict(g Goal) (float64, Verdict) {
	value, ok := m.median(Judged)
	if !ok {
		return 0, Unknown
	}
	if g.Of != "" {
		of, known := m.against(g.Of)
		if !known {
			return 0, Unknown
		}
		value /= of
	}
	if g.most() && value > g.AtMost || !g.most() && value < g.AtLeast {
		return value, Missed
	}
	return value, Met
}

// most reports whether the goal is an upper bound. A goal without any bound is an upper bound of zero.
func (g Goal) most() bool { return g.AtLeast == 0 }

// against returns the denominator of a ratio, if it was measured and is not zero.
func (m *Measure) against(name string) (float64, bool) {
	if name == m.Reference.Name {
		return m.Reference.Value, m.Reference.Value != 0
	}
	value, ok := m.median(name)
	return value, ok && value != 0
}

func (m *Measure) median(name string) (float64, bool) {
	for _, s := range m.Subjects {
		if s.Name == name {
			return s.Summary.Median, s.Summary.Count > 0
		}
	}
	return 0, false
}

// String returns the goal as it is printed.
func (g Goal) String() string {
	if g.Text != "" {
		return g.Text
	}
	sign, bound := "≤", g.AtMost
	if !g.most() {
		sign, bound = "≥", g.AtLeast
	}
	return sign + " " + g.inTerms(bound)
}

// Measured returns the measured value, printed in the terms of the goal.
func (g Goal) Measured() string {
	if g.Verdict == Unknown {
		return "–"
	}
	return g.inTerms(g.Value)
}

func (g Goal) inTerms(value float64) string {
	if g.Of == "" {
		return number(value)
	}
	return fmt.Sprintf("%.2f × %s", value, g.Of)
}

// number formats a value with about three digits.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100 || a == math.Trunc(a):
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// Add records samples of a subject.
func (m *Measure) Add(subject string, samples ...float64) {
	s := m.subject(subject)
	s.Samples = append(s.Samples, samples...)
}

// Fail records why a subject has no samples, or no further ones.
func (m *Measure) Fail(subject string, err error) {
	m.subject(subject).Problem = err.Error()
}

func (m *Measure) subject(name string) *Subject {
	for i := range m.Subjects {
		if m.Subjects[i].Name == name {
			return &m.Subjects[i]
		}
	}
	m.Subjects = append(m.Subjects, Subject{Name: name})
	return &m.Subjects[len(m.Subjects)-1]
}
