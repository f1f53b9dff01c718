package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Run is one run of the benchmark: what is written as JSON.
type Run struct {
	When       string             `json:"when"`
	Machine    string             `json:"machine"`
	RoundTrips map[string]float64 `json:"roundTripsMs"` // asked for → measured, in ms
	Measures   []Measure          `json:"measures"`
}

// WriteTable prints the run as one table: a line for each way of doing each work, and the goals beside the judged one.
func (r Run) WriteTable(w io.Writer) error {
	rows := [][]string{{"#", "work", "subject", "median", "spread", "× " + Baseline, "× reference", "goal", ""}}
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
	fmt.Fprintf(&out, "\nspread: first and third quartile, of fewer than %d samples smallest and largest\n", quartilesFrom)
	_, err := io.WriteString(w, out.String())
	return err
}

// lines are the table's lines of one measure, the judged subject first with a further line for each further goal.
func (m Measure) lines() [][]string {
	var lines [][]string
	for i, s := range m.Subjects {
		line := make([]string, 9)
		if i == 0 {
			line[0], line[1] = fmt.Sprint(m.Row), m.Work
			if m.Unit != "" {
				line[1] += " [" + m.Unit + "]"
			}
		}
		line[2] = s.Name
		m.fillValues(line, s)
		lines = append(lines, line)
		if s.Name != Judged {
			continue
		}
		for j, g := range m.Goals {
			if j > 0 {
				lines = append(lines, make([]string, 9))
			}
			lines[len(lines)-1][7], lines[len(lines)-1][8] = g.String(), string(g.Verdict)
		}
	}
	return lines
}

func (m Measure) fillValues(line []string, s Subject) {
	if s.Summary.Count == 0 {
		line[3] = "–"
		line[4] = s.Problem
		return
	}
	line[3] = number(s.Summary.Median)
	line[4] = number(s.Summary.Low) + "–" + number(s.Summary.High)
	if of, ok := m.against(Baseline); ok && s.Name != Baseline {
		line[5] = fmt.Sprintf("%.2f", s.Summary.Median/of)
	}
	if of, ok := m.against(m.Reference.Name); ok {
		line[6] = fmt.Sprintf("%.2f %s", s.Summary.Median/of, m.Reference.Name)
	}
}

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
		if numeric := i >= 3 && i <= 5; numeric {
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
