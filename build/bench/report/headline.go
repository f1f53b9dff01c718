package report

import (
	"fmt"
	"regexp"
	"strings"
)

// headline summarizes a run for a document, with a ratio to the baseline for each of headlineWorks.
const headline = "On a line with a round trip of 40 ms, the first byte of a connection on a warm session takes %s × the time it takes\n" +
	"with `kubectl port-forward`. Of short requests, 32 at once, %s × as many are answered, and 16 downloads at once are\n" +
	"%s × as fast."

var headlineWorks = []string{"first byte, warm, R = 40 ms [ms]", "short requests, 32 at once, R = 40 ms [1/s]", "16 downloads, R = 40 ms [MiB/s]"}

// The columns of the table in Markdown.
const (
	markdownWork     = 1
	markdownMeasured = 6
)

var baselineRatio = regexp.MustCompile(`([0-9.]+) × ` + Baseline)

// Headline returns the summary of a table that WriteMarkdown printed.
func Headline(table string) (string, error) {
	ratios := map[string]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		if len(cells) <= markdownMeasured {
			continue
		}
		if m := baselineRatio.FindStringSubmatch(cells[markdownMeasured]); m != nil {
			ratios[cells[markdownWork]] = m[1]
		}
	}
	var found []any
	for _, work := range headlineWorks {
		ratio, ok := ratios[work]
		if !ok {
			return "", fmt.Errorf("no ratio to %s was measured for %q", Baseline, work)
		}
		found = append(found, ratio)
	}
	return fmt.Sprintf(headline, found...), nil
}
