package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Run is one run of the benchmark, as it is written to JSON.
type Run struct {
	When       string             `json:"when"`
	Node       string             `json:"node"` // the kind of the cluster's node
	Machine    string             `json:"machine"`
	RoundTrips map[string]float64 `json:"roundTripsMs"` // nominal → measured, in ms
	Measures   []Measure          `json:"measures"`
	Notes      []string           `json:"notes,omitempty"` // that explain some of the work
}

// The columns of the table.
const (
	columnRow = iota
	columnWork
	columnSubject
	columnMedian
	columnSpread
	columnBaseline
	columnReference
	columnGoal
	columnMeasured
	columnVerdict
	columnCount
)

// noGoal is printed instead of a goal for a measure that is for information only.
const noGoal = "(none)"

// WriteTable prints the run as one table: a line for each subject of each work, with the goals on the line of the
// judged one.
func (r Run) WriteTable(w io.Writer) error {
	rows := [][]string{{"#", "work", "subject", "median", "spread", "× " + Baseline, "× reference", "goal", "measured", ""}}
	for _, m := range r.Measures {
		rows = append(rows, m.lines()...)
	}
	var out strings.Builder
	widths := columnWidths(rows)
	for i, row := range rows {
		writeLine(&out, row, widths)
		if i == 0 {
			out.WriteString(strings.Repeat("-", sum(widths)+3*(len(widths)-1)) + "\n")
		}
	}
	met, of := r.met()
	fmt.Fprintf(&out, "\n%d of %d goals met\nspread: first and third quartile, of fewer than %d samples smallest and largest\n", met, of, quartilesFrom)
	for _, note := range r.Notes {
		out.WriteString(note + "\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// met returns the number of goals that were met, and of all goals.
func (r Run) met() (met, of int) {
	for _, m := range r.Measures {
		for _, g := range m.Goals {
			of++
			if g.Verdict == Met {
				met++
			}
		}
	}
	return met, of
}

// lines returns the table's lines for one measure, with a further line of the judged subject for each further goal.
func (m Measure) lines() [][]string {
	var lines [][]string
	for i, s := range m.Subjects {
		line := make([]string, columnCount)
		if i == 0 {
			line[columnRow], line[columnWork] = fmt.Sprint(m.Row), m.work()
		}
		line[columnSubject] = s.Name
		m.fillValues(line, s)
		lines = append(lines, line)
		if s.Name != Judged {
			continue
		}
		if len(m.Goals) == 0 {
			line[columnGoal] = noGoal
		}
		for j, g := range m.Goals {
			if j > 0 {
				line = make([]string, columnCount)
				lines = append(lines, line)
			}
			line[columnGoal], line[columnMeasured], line[columnVerdict] = g.String(), g.Measured(), string(g.Verdict)
		}
	}
	return lines
}

// work returns the name of the work and its unit.
func (m Measure) work() string {
	if m.Unit == "" {
		return m.Work
	}
	return m.Work + " [" + m.Unit + "]"
}

func (m Measure) fillValues(line []string, s Subject) {
	if s.Summary.Count == 0 {
		line[columnMedian] = "–"
		line[columnSpread] = s.Problem
		return
	}
	line[columnMedian] = number(s.Summary.Median)
	line[columnSpread] = s.Summary.spread()
	if of, ok := m.against(Baseline); ok && s.Name != Baseline {
		line[columnBaseline] = fmt.Sprintf("%.2f", s.Summary.Median/of)
	}
	if of, ok := m.against(m.Reference.Name); ok {
		line[columnReference] = fmt.Sprintf("%.2f %s", s.Summary.Median/of, m.Reference.Name)
	}
}

func (s Summary) spread() string { return number(s.Low) + "–" + number(s.High) }

func columnWidths(rows [][]string) []int {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

func writeLine(out *strings.Builder, row []string, widths []int) {
	var line strings.Builder
	for i, cell := range row {
		padding := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if i > 0 {
			line.WriteString(" | ")
		}
		if numeric := i >= columnMedian && i <= columnBaseline; numeric {
			line.WriteString(padding + cell)
		} else {
			line.WriteString(cell + padding)
		}
	}
	out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

func sum(widths []int) int {
	total := 0
	for _, w := range widths {
		total += w
	}
	return total
}
