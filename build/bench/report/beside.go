package report

import (
	"fmt"
	"io"
	"strings"
)

// WriteBeside prints, in Markdown, the measures on two kinds of node side by side, with the judged subject's ratio to
// the baseline on each. It prints the works of the second run, without goals.
func WriteBeside(w io.Writer, first, second Run) error {
	var out strings.Builder
	out.WriteString("| # | work |")
	for _, r := range []Run{second, first} {
		fmt.Fprintf(&out, " %s: %s | spread | %s | × %[3]s |", r.Node, Judged, Baseline)
	}
	out.WriteString("\n|" + strings.Repeat("---|", 10) + "\n")
	for _, work := range second.Measures {
		cells := []string{fmt.Sprint(work.Row), work.work()}
		for _, r := range []Run{second, first} {
			cells = append(cells, r.measure(work).nodeCells()...)
		}
		for i, cell := range cells {
			cells[i] = cellText.Replace(cell)
		}
		out.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	out.WriteString("\n")
	for _, r := range []Run{second, first} {
		fmt.Fprintf(&out, "%s: %s, %s. Round trips measured: %.2f, %.2f and %.2f ms.\n\n", r.Node, r.When, cellText.Replace(r.Machine),
			r.RoundTrips["0"], r.RoundTrips["40"], r.RoundTrips["160"])
		for _, note := range r.Notes {
			out.WriteString(cellText.Replace(note) + "\n\n")
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// measure returns the run's measure of a work; the zero value if it has none.
func (r Run) measure(work Measure) Measure {
	for _, m := range r.Measures {
		if m.Row == work.Row && m.Work == work.Work {
			return m
		}
	}
	return Measure{}
}

// nodeCells returns the cells of one node.
func (m Measure) nodeCells() []string {
	judged, spread := m.cells(Judged)
	baseline, _ := m.cells(Baseline)
	ratio := "–"
	value, ok := m.median(Judged)
	if of, known := m.against(Baseline); ok && known {
		ratio = fmt.Sprintf("%.2f", value/of)
	}
	return []string{judged, spread, baseline, ratio}
}
