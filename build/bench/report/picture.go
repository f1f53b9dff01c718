package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// The dimensions of the picture, in pixels.
const (
	pictureWidth = 910
	labelWidth   = 380 // of the work's name; the bars begin to its right
	nameWidth    = 70
	barHeight    = 11
	groupGap     = 7
	barsFrom     = labelWidth + nameWidth
	barsWidth    = pictureWidth - barsFrom - 110
	headHeight   = 34
)

// colour returns the colour of a subject, grey for an unknown one.
func colour(subject string) string {
	switch subject {
	case Judged:
		return "#1f6feb"
	case Baseline:
		return "#d29922"
	}
	return "#b1bac4"
}

// WritePicture draws the run as SVG: for each work with a goal a bar for each subject, to its own scale. Works of a
// single subject have nothing to compare with and are only in the table.
func (r Run) WritePicture(w io.Writer) error {
	var body strings.Builder
	y := headHeight
	for _, m := range r.Measures {
		if len(m.Goals) > 0 && len(m.Subjects) > 1 {
			y = m.draw(&body, y) + groupGap
		}
	}
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="system-ui, sans-serif" font-size="10">
<rect width="100%%" height="100%%" fill="#ffffff"/>
<text x="12" y="20" font-size="13" font-weight="bold" fill="#1f2328">Medians of one run, %s</text>
%s</svg>
`, pictureWidth, y, escape(r.When), body.String())
	return err
}

// draw draws one group of bars with its top at y, and returns where it ends.
func (m Measure) draw(out *strings.Builder, y int) int {
	scale := m.scale()
	better := "more is better"
	if m.Lower {
		better = "less is better"
	}
	fmt.Fprintf(out, `<text x="12" y="%d" fill="#1f2328">%s</text>`+"\n", y+barHeight-2, escape(m.Work))
	fmt.Fprintf(out, `<text x="12" y="%d" fill="#656d76" font-size="9">%s</text>`+"\n", y+2*barHeight, escape(strings.TrimPrefix(m.Unit+", "+better, ", ")))
	for _, s := range m.Subjects {
		length, label := 0.0, "not measured"
		if s.Summary.Count > 0 {
			label = number(s.Summary.Median)
			if length = s.Summary.Median / scale * barsWidth; length > barsWidth {
				length, label = barsWidth, label+" →"
			}
		}
		fmt.Fprintf(out, `<text x="%d" y="%d" text-anchor="end" fill="#656d76">%s</text>`, barsFrom-6, y+barHeight-2, escape(s.Name))
		fmt.Fprintf(out, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`, barsFrom, y, max(length, 1), barHeight-2, colour(s.Name))
		fmt.Fprintf(out, `<text x="%.1f" y="%d" fill="#1f2328">%s%s</text>`+"\n", barsFrom+length+5, y+barHeight-2, label, m.mark(s))
		y += barHeight
	}
	return max(y, y+(2-len(m.Subjects))*barHeight)
}

// scale returns the value of a bar of full length. Limits may be far larger than the two that are compared, and are
// then cut.
func (m Measure) scale() float64 {
	compared, largest := 0.0, 0.0
	for _, s := range m.Subjects {
		largest = max(largest, s.Summary.Median)
		if s.Name == Judged || s.Name == Baseline {
			compared = max(compared, s.Summary.Median)
		}
	}
	switch {
	case largest == 0:
		return 1
	case compared == 0:
		return largest
	}
	return min(largest, 1.5*compared)
}

// mark returns the mark next to the judged subject's bar: whether all its goals were met.
func (m Measure) mark(s Subject) string {
	if s.Name != Judged {
		return ""
	}
	for _, g := range m.Goals {
		if g.Verdict != Met {
			return " · goal " + strings.ToLower(string(g.Verdict))
		}
	}
	return " · goal met"
}

func escape(text string) string {
	var out strings.Builder
	// Writing to a strings.Builder cannot fail.
	_ = xml.EscapeText(&out, []byte(text))
	return out.String()
}
