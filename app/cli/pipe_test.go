package cli

import (
	"strings"
	"testing"
)

// What is piped is complete, and has no escape codes.
func TestPipesGetNoColoursAndWholeNames(t *testing.T) {
	long := "arn:aws:eks:eu-central-1:123456789012:cluster/" + strings.Repeat("payments-", 20) + "green"
	h := newHome(t, "上海-生产-集群-一", "👩‍💻-dev", long)
	h.serve(t, "上海-生产-集群-一", long)
	for _, args := range [][]string{
		{"list"}, {"list", "-o", "wide"}, {"list", "-o", "name"}, {"list", "-o", "yaml"}, {"status"}, {"status", "-o", "wide"}, {"status", "-o", "name"},
		{"logs"}, {"help"}, {"help", "list"},
	} {
		text := h.must(t, args...)
		if strings.Contains(text, "\x1b") {
			t.Errorf("fairlead %s: %q", strings.Join(args, " "), text)
		}
		if args[0] != "help" && !strings.Contains(text, long) {
			t.Errorf("fairlead %s cuts a name:\n%s", strings.Join(args, " "), text)
		}
	}
	if got := h.must(t, "status", "-o", "name"); got != "上海-生产-集群-一\n"+long+"\n" {
		t.Errorf("names of what is on: %q", got)
	}
	if got := h.must(t, "list", "--no-headers"); strings.Contains(got, "NAME") || strings.Count(got, "\n") != 3 {
		t.Errorf("without titles:\n%s", got)
	}
}
