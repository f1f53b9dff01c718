package menu

import (
	"strings"
	"testing"

	"fairlead/app/session"
)

func TestOtherHostsGoByOneOfTheRoutes(t *testing.T) {
	for _, row := range []struct {
		outside   string
		upstreams []string
		want      string
	}{
		{"", []string{"corp"}, ""},
		{"direct", nil, "Outside the cluster: direct\n(o) Connect directly direct\n( ) Refuse refuse"},
		{"direct", []string{"corp", "egress"}, "Outside the cluster: direct\n(o) Connect directly direct\n( ) Connect through corp corp\n( ) Connect through egress egress\n( ) Refuse refuse"},
		{"egress", []string{"corp", "egress"}, "Outside the cluster: through egress\n( ) Connect directly direct\n( ) Connect through corp corp\n(o) Connect through egress egress\n( ) Refuse refuse"},
		{"refuse", []string{"corp"}, "Outside the cluster: refused\n( ) Connect directly direct\n( ) Connect through corp corp\n(o) Refuse refuse"},
		{"gone", []string{"corp"}, "Outside the cluster: through gone\n( ) Connect directly direct\n(o) Connect through gone gone\n( ) Connect through corp corp\n( ) Refuse refuse"},
	} {
		var lines []string
		for _, menu := range outside(session.State{Name: "a", Outside: row.outside}, view{Extras: Extras{Upstreams: row.upstreams}}) {
			lines = append(lines, menu.Title)
			for _, item := range menu.Items {
				if item.Click.Action != SetOutside || item.Click.Context != "a" {
					t.Errorf("%s: %+v", row.outside, item.Click)
				}
				lines = append(lines, markOf(item)+item.Title+" "+item.Click.Argument)
			}
		}
		if got := strings.Join(lines, "\n"); got != row.want {
			t.Errorf("%s, %v:\n%s\nwant\n%s", row.outside, row.upstreams, got, row.want)
		}
	}
}
