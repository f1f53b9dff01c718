package report

import (
	"errors"
	"strings"
	"testing"
)

func TestNodesAreComparedSideBySide(t *testing.T) {
	streaming := example()
	streaming.Node = "streaming"
	first := Measure{Row: 1, Work: "first <byte>", Unit: "ms", Lower: true}
	first.Add(Judged, 60)
	first.Add(Baseline, 240)
	first.Judge()
	failed := Measure{Row: 3, Work: "only there"}
	failed.Fail(Judged, errors.New("broke | down"))
	failed.Judge()
	var out strings.Builder
	if err := WriteBeside(&out, streaming, Run{Node: "real", Machine: "a machine", Notes: []string{"another node"}, Measures: []Measure{first, failed}}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "for information") {
		t.Errorf("a work that only the streaming node did is in\n%s", out.String())
	}
	for _, line := range []string{
		"| # | work | real: fairlead | spread | kubectl | × kubectl | streaming: fairlead | spread | kubectl | × kubectl |\n",
		"| 1 | first &lt;byte&gt; [ms] | 60 | 60–60 | 240 | 0.25 | 42 | 41.5–43 | 126 | 0.33 |\n",
		`| 3 | only there | – (broke \| down) |  | – | – | – |  | – | – |` + "\n",
		"real: , a machine.", "\nanother node\n", "\na note\n",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no %q in\n%s", line, out.String())
		}
	}
}
