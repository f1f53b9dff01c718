package menu

import (
	"strings"
	"testing"

	"fairlead/app/session"
)

func TestARouteThroughTheClusterIsDeployedAfterAQuestion(t *testing.T) {
	const what = "A forward proxy is deployed for this:\na Deployment and a Service in namespace shop\n"
	for name, row := range map[string]struct {
		production bool
		extra      Extra
		want       string
	}{
		"asks":                 {want: what + "\nDeploy it deploy-egress shop"},
		"production":           {production: true, want: what + "This context is marked as production.\n\nYes, in production (it asks again) confirm-egress "},
		"production, again":    {production: true, extra: Extra{EgressConfirmed: true}, want: what + "This context is marked as production.\n\nDeploy it in production deploy-egress shop"},
		"while it is deployed": {extra: Extra{EgressProgress: "waiting for\nits Pod"}, want: "Deploying: waiting for its Pod"},
	} {
		c := session.State{Name: "a", Outside: "direct", Namespace: "shop", Production: row.production}
		x := view{Extras: Extras{Contexts: map[string]Extra{"a": row.extra}}}
		routes := outside(c, x, false)[0].Items
		last := routes[len(routes)-1]
		var lines []string
		for _, item := range last.Items {
			lines = append(lines, strings.TrimRight(item.Title+" "+string(item.Click.Action)+" "+item.Click.Argument, " "))
		}
		if got := strings.Join(lines, "\n"); last.Title != throughCluster || got != strings.TrimRight(row.want, " ") {
			t.Errorf("%s: %s\n%s\nwant\n%s", name, last.Title, got, row.want)
		}
		if nested := outside(c, x, true)[0].Items; len(nested) != 2 {
			t.Errorf("%s: a nested context has %d routes", name, len(nested))
		}
	}
	there := view{Extras: Extras{Contexts: map[string]Extra{"a": {Egress: true}}}}
	routes := outside(session.State{Name: "a", Outside: Egress}, there, false)[0]
	if got := markOf(routes.Items[1]) + routes.Items[1].Title; routes.Title != "Outside the cluster: through the cluster" || got != "(o) "+throughCluster || len(routes.Items) != 3 {
		t.Errorf("deployed: %s, %s of %d", routes.Title, got, len(routes.Items))
	}
}

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
		for _, menu := range outside(session.State{Name: "a", Outside: row.outside}, view{Extras: Extras{Upstreams: row.upstreams}}, true) {
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
