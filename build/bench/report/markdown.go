package report

import (
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown prints the run as a table in Markdown for people: a line for each work, with the judged subject next to
// the one with which it is compared. Without a goal, what was measured is its ratio to the reference. Limits and other
// proxies are only in WriteTable.
func (r Run) WriteMarkdown(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out, "| # | work | %s | spread | %s | goal | measured | |\n|---|---|---|---|---|---|---|---|\n", Judged, Baseline)
	for _, m := range r.Measures {
		var goals, measured, verdicts []string
		for _, g := range m.Goals {
			goals = append(goals, g.String())
			measured = append(measured, g.Measured())
			verdicts = append(verdicts, string(g.Verdict))
		}
		if of, ok := m.against(m.Reference.Name); ok && len(m.Goals) == 0 {
			if value, ok := m.median(Judged); ok {
				measured = []string{fmt.Sprintf("%.2f × %s", value/of, m.Reference.Name)}
			}
		}
		median, spread := m.cells(Judged)
		baseline, _ := m.cells(Baseline)
		cells := []string{fmt.Sprint(m.Row), m.work(), median, spread, baseline,
			strings.Join(goals, "; "), strings.Join(measured, "; "), same(verdicts)}
		for i, cell := range cells {
			cells[i] = cellText.Replace(cell)
		}
		out.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	met, of := r.met()
	fmt.Fprintf(&out, "\n%d of %d goals met. %s, %s. Round trips measured: %.2f, %.2f and %.2f ms.\n", met, of, r.When, cellText.Replace(r.Machine),
		r.RoundTrips["0"], r.RoundTrips["40"], r.RoundTrips["160"])
	for _, note := range r.Notes {
		out.WriteString("\n" + cellText.Replace(note) + "\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// cellText escapes a text for a cell.
var cellText = strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", ">", "&gt;")

// cells returns a subject's median, or why there is none, and its spread.
func (m Measure) cells(subject string) (median, spread string) {
	for _, s := range m.Subjects {
		switch {
		case s.Name != subject:
		case s.Summary.Count == 0 && s.Problem != "":
			return "– (" + s.Problem + ")", ""
		case s.Summary.Count > 0:
			return number(s.Summary.Median), s.Summary.spread()
		}
	}
	return "–", ""
}

// same returns the verdict if all are equal, otherwise a list of them.
func same(verdicts []string) string {
	for _, v := range verdicts {
		if v != verdicts[0] {
			return strings.Join(verdicts, "; ")
		}
	}
	if len(verdicts) == 0 {
		return ""
	}
	return verdicts[0]
}
