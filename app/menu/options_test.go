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
		{"direct", nil, "Other hosts: direct\n(o) Directly direct\n( ) Refused refuse"},
		{"direct", []string{"corp", "egress"}, "Other hosts: direct\n(o) Directly direct\n( ) Through corp corp\n( ) Through egress egress\n( ) Refused refuse"},
		{"egress", []string{"corp", "egress"}, "Other hosts: through egress\n( ) Directly direct\n( ) Through corp corp\n(o) Through egress egress\n( ) Refused refuse"},
		{"refuse", []string{"corp"}, "Other hosts: refused\n( ) Directly direct\n( ) Through corp corp\n(o) Refused refuse"},
		{"gone", []string{"corp"}, "Other hosts: through gone\n( ) Directly direct\n(o) Through gone gone\n( ) Through corp corp\n( ) Refused refuse"},
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
