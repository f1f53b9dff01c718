package menu

import (
	"fmt"
	"strings"
	"time"

	"fairlead/app/session"
)

// noon is the date of everything that has a time.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// extras are those of a desktop that supports everything.
func extras() Extras {
	on := true
	return Extras{
		Snippets:      []Choice{{"bash", "bash, zsh"}, {"fish", "fish"}, {"java", "Java"}},
		TLSSnippets:   []Choice{{"curl", "curl"}},
		Browsers:      []Choice{{"chromium", "Chromium"}, {"firefox", "Firefox"}},
		Shell:         Choice{"bash", "bash"},
		Terminal:      true,
		LoadsOnOpen:   true,
		Notifications: []Switch{{Choice{"dials", "Connection failed"}, true}, {Choice{"logins", "Login needed"}, false}},
		Autostart:     &on,
		Settings:      true,
		Version:       "v1.2.3",
		Build:         "Fairlead v1.2.3",
		Contexts: map[string]Extra{
			"staging": {PAC: true, Connections: 3, Namespaces: []string{"kube-system", "web"}, Services: []Service{
				{"kube-system", "dns", []Port{{53, "dns-tcp"}, {9153, "metrics"}}},
				{"web", "hello", []Port{{80, "http"}, {8443, "https-admin"}}},
				{"web", "db", []Port{{5432, ""}}},
			}},
			"prod_eu": {Loading: true, Connections: 1},
			"v6":      {LoadFailed: "The API server does not answer."},
			"one":     {Services: []Service{{"web", "hello", []Port{{8080, ""}}}}, Namespaces: []string{"web"}},
			"empty":   {Services: []Service{}, Namespaces: []string{}},
			"crowded": {Services: manyServices(), Namespaces: manyNamespaces()},
		},
	}
}

func manyServices() (all []Service) {
	for i := range maxServices + 7 {
		all = append(all, Service{fmt.Sprintf("ns-%d", i/150), fmt.Sprintf("service-%03d", i), []Port{{Number: 80}}})
	}
	return all
}

func manyNamespaces() (all []string) {
	for i := range maxNamespaces + 3 {
		all = append(all, fmt.Sprintf("ns-%d", i))
	}
	return all
}

// many are the contexts of a typical user with many: files of several clouds, and one file with all sorts of names.
func many(count, files int) (all []session.State) {
	kinds := []string{
		"gke_my-project-%[2]d_europe-west1_cluster-%[1]d", "arn:aws:eks:eu-central-1:12345678901%[2]d:cluster/team-%[1]d", "team%[2]d-app-%[1]d", "kind-%[1]d", "%[1]d.lab",
	}
	for i := range count {
		all = append(all, session.State{
			Name: fmt.Sprintf(kinds[i%len(kinds)], i, i%3), Usable: true, Phase: session.Off,
			File: fmt.Sprintf("/home/someone/.kube/%s/config", []string{"work", "home", "lab", "d", "e", "f", "g", "h", "i", "j", "k", "l"}[i%files]),
		})
	}
	return all
}

// snapshots are the states whose menus are in testdata, by file name.
func snapshots() map[string]session.Snapshot {
	const arn = "arn:aws:eks:eu-central-1:123456789012:cluster/payments-production-blue-2026"
	some := many(200, 12)
	some[7].Phase, some[7].Wanted, some[7].Endpoints, some[7].Since = session.On, true, session.ProxyAt("127.0.0.1:1080"), noon
	some[90].Phase, some[90].Wanted, some[90].Reason = session.Failed, true, "Another program listens on 127.0.0.1:1081."
	some[33].Used, some[34].Used, some[35].Production, some[35].Used = noon, noon.Add(time.Hour), true, noon.Add(time.Minute)
	low := session.Snapshot{Version: 7}
	for i, phase := range []session.Phase{session.On, session.Unavailable, session.Off, session.Failed, session.On, session.Off, session.Off, session.Off} {
		c := session.State{Name: fmt.Sprint("cluster-", i), Usable: i != 5, Phase: phase, Wanted: phase != session.Off, Endpoints: session.ProxyAt(fmt.Sprint("127.0.0.1:108", i))}
		if phase == session.Failed || phase == session.Unavailable || !c.Usable {
			c.Reason = "A sentence."
		}
		low.Contexts = append(low.Contexts, c)
	}
	low.Contexts[6].Used = noon
	return map[string]session.Snapshot{
		"one-off":            {Version: 1, Contexts: []session.State{{Name: "lab", Phase: session.Off, Usable: true, Current: true}}, Sources: []string{"/home/someone/.kube/config"}},
		"one-on":             {Version: 1, Contexts: []session.State{{Name: "lab", Phase: session.On, Wanted: true, Usable: true, Current: true, Outside: "direct", Endpoints: session.ProxyAt("127.0.0.1:1080")}}},
		"three":              three(),
		"fourteen":           fourteen(),
		"low-screen":         low,
		"low-screen-all-off": {Version: 9, Contexts: many(14, 1)},
		"low-screen-many":    {Version: 9, Contexts: some},
		"all-phases": {Version: 7, Contexts: []session.State{
			{Name: "staging", Phase: session.On, Wanted: true, Usable: true, Endpoints: session.ProxyAt("127.0.0.1:1080"), Cluster: "east", Namespace: "web", Outside: "direct", Since: noon},
			{Name: "prod_eu", Phase: session.Unavailable, Wanted: true, Usable: true, Endpoints: session.ProxyAt("127.0.0.1:1081"), Reason: "The API server 10.1.2.3:6443 does not answer.", Hint: "Check the network.", Trouble: session.Unreachable, Since: noon.Add(-time.Hour)},
			{Name: "dev", Phase: session.Off, Usable: true, Endpoints: session.ProxyAt("127.0.0.1:1082")},
			{Name: "lab", Phase: session.Starting, Wanted: true, Usable: true},
			{Name: "edge", Phase: session.Stopping, Usable: true, Endpoints: session.ProxyAt("127.0.0.1:1083")},
			{Name: "edge-2", Phase: session.Stopping, Wanted: true, Usable: true, Endpoints: session.ProxyAt("127.0.0.1:1084")},
			{Name: "legacy", Phase: session.Failed, Wanted: true, Usable: true, Endpoints: session.ProxyAt("127.0.0.1:1085"), Reason: "Another program listens on 127.0.0.1:1085.", Hint: "Stop that program, or take another port.", Trouble: session.PortTaken},
			{Name: "broken", Phase: session.Off, Reason: "Its cluster \"x\" is not in the kubeconfig.", Trouble: session.Unusable},
			{Name: "v6", Phase: session.On, Wanted: true, Usable: true, Endpoints: session.ProxyAt("[::1]:1086"), Since: noon.Add(-time.Minute), Outside: "refuse"},
		}},
		"production": {Version: 7, Contexts: []session.State{
			{Name: "prod-eu", Phase: session.Off, Usable: true, Production: true},
			{Name: "prod-us", Phase: session.On, Wanted: true, Usable: true, Production: true, Endpoints: session.ProxyAt("127.0.0.1:1081"), Since: noon, OffAt: noon.Add(90 * time.Minute), Warning: "Every machine on this network can use it."},
			{Name: "prod-asia", Phase: session.Failed, Wanted: true, Usable: true, Production: true, Reason: "It did not start within 30s."},
			{Name: "prod-broken", Phase: session.Off, Production: true, Reason: "Its user is not in the kubeconfig."},
		}},
		"other-machines": {Version: 7, Contexts: []session.State{
			{Name: "tls", Phase: session.On, Wanted: true, Usable: true, Endpoints: session.ProxyAt("0.0.0.0:1080"), TLS: true, Since: noon.Add(time.Hour), Warning: "Other machines can reach it."},
			{Name: "password", Phase: session.On, Wanted: true, Usable: true, Endpoints: session.ProxyAt("[::]:1081"), Password: true, Since: noon, Warning: "Other machines can reach it."},
		}},
		"login-needed": {Version: 3, Contexts: []session.State{
			{Name: "staging", Phase: session.Unavailable, Wanted: true, Usable: true, Endpoints: session.ProxyAt("127.0.0.1:1080"), Since: noon, Reason: "The login has expired.", Trouble: session.LoginNeeded, Login: "tsh kube login --proxy teleport.example.com staging"},
			{Name: "dev", Phase: session.Unavailable, Wanted: true, Usable: true, Endpoints: session.ProxyAt("127.0.0.1:1081"), Since: noon.Add(time.Second), Reason: "The credential plugin failed.", Trouble: session.LoginNeeded},
		}},
		"services": {Version: 3, Contexts: []session.State{
			{Name: "one", Phase: session.On, Wanted: true, Usable: true, Endpoints: session.ProxyAt("127.0.0.1:1080"), Namespace: "gone", Since: noon},
			{Name: "empty", Phase: session.On, Wanted: true, Usable: true, Endpoints: session.ProxyAt("127.0.0.1:1081"), Since: noon},
		}},
		"all-off": {Version: 1, Contexts: []session.State{{Name: "a", Phase: session.Off, Usable: true}, {Name: "b", Phase: session.Off, Usable: true}}},
		"current": {Version: 1, Contexts: []session.State{
			{Name: "a", Phase: session.Off, Usable: true}, {Name: "b", Phase: session.On, Wanted: true, Usable: true, Endpoints: session.ProxyAt("127.0.0.1:1080")},
			{Name: "c", Phase: session.Off, Usable: true, Current: true, Production: true},
		}},
		"many":           {Version: 9, Contexts: some},
		"many-one-file":  {Version: 9, Contexts: append(many(80, 1), session.State{Name: "minikube", Usable: true, Phase: session.Off, File: "/home/someone/.kube/work/config"}, session.State{Name: "colima", Usable: true, Phase: session.Off, File: "/home/someone/.kube/work/config"})},
		"not-yet-known":  {},
		"no-contexts":    {Version: 1, Sources: []string{"/home/someone/.kube/config"}},
		"nothing-usable": {Version: 1, Sources: []string{"/a", "/b"}, Problems: []string{"/a: line 3: did not find expected key", "/b: permission denied"}},
		"problems": {Version: 1, Contexts: []session.State{{Name: "a", Phase: session.Off, Usable: true}}, Problems: []string{
			"/one: no", "/two: no", "/three: no", "/four: no", "/" + strings.Repeat("deep/", 40) + "config: line 12: mapping values are not allowed here", "/six: no", "/seven: no",
		}},
		"settings-problems": {Version: 1, Contexts: []session.State{{Name: "a", Phase: session.Off, Usable: true}}, Sources: []string{"/home/someone/.kube/config"},
			Problems: []string{"/one: no"}, SettingsProblems: []string{"/c.yaml:8: 127.0.0.1:8090 is an address of demo already (line 6)"}},
		"hostile-names": {Version: 1, Contexts: []session.State{
			{Name: arn, Phase: session.On, Wanted: true, Usable: true, Endpoints: session.ProxyAt("127.0.0.1:1080")},
			{Name: "gke_my-proj_europe-west1_prod & more", Phase: session.Off, Usable: true},
			{Name: "🚢 👩‍🚀 ship", Phase: session.Off, Usable: true},
			{Name: "two\nlines\ttab\x00nul\u202eevil", Phase: session.Failed, Wanted: true, Usable: true, Reason: "bad\x1b[31m\xff" + strings.Repeat(" and so on", 20), Trouble: session.LoginNeeded, Login: "log in\n; rm -rf /" + strings.Repeat(" very long", 30)},
			{Name: "", Phase: session.Off, Usable: true},
			{Name: strings.Repeat("é", 120), Phase: session.Off, Usable: true},
		}},
	}
}

// three are a context that is on, one that needs a login, and a production one.
func three() session.Snapshot {
	return session.Snapshot{Version: 1, Sources: []string{"/home/someone/.kube/config"}, Contexts: []session.State{
		{Name: "kind-dev", Phase: session.On, Wanted: true, Usable: true, Outside: "direct", Endpoints: session.ProxyAt("127.0.0.1:1080"), File: "/home/someone/.kube/config"},
		{
			Name: "staging", Phase: session.Unavailable, Wanted: true, Usable: true, Outside: "direct", Endpoints: session.ProxyAt("127.0.0.1:1081"), File: "/home/someone/.kube/config",
			Title: "Login needed", Reason: "The program aws, which logs in to context staging, gives a login that ran out at 14:05 on 28 November 2026.",
			Hint: "To log in, run “aws sso login” in a terminal.", Trouble: session.LoginNeeded, Login: "aws sso login",
		},
		{Name: "prod-eu", Phase: session.Off, Usable: true, Production: true},
	}}
}

// fourteen are seven contexts that are on, five of them with a trouble, and seven that are off, two of them not usable.
func fourteen() session.Snapshot {
	const payments = "arn:aws:eks:eu-central-1:123456789012:cluster/payments-"
	s := session.Snapshot{Version: 1}
	for i, name := range []string{
		"docker-desktop", "kind-dev", "minikube", payments + "staging-blue", payments + "production-blue", payments + "production-green",
		"gke_acme-data-platform_europe-west1-b_analytics-dev", "teleport.example.com-edge", "🚀 launchpad 🧪", "上海-生产-集群-一", "expired-token", "broken-no-such-cluster", "broken-ca-file", "prod",
	} {
		c := session.State{Name: name, Usable: true, Phase: session.Off, Production: strings.Contains(name, "prod"), Current: name == "kind-dev"}
		on := func(title, reason string, trouble session.Trouble) {
			c.Phase, c.Wanted, c.Outside, c.Endpoints = session.On, true, "direct", session.ProxyAt(fmt.Sprint("127.0.0.1:", 1080+i))
			if title != "" {
				c.Phase, c.Title, c.Reason, c.Trouble = session.Unavailable, title, reason, trouble
			}
		}
		switch i {
		case 0, 9:
			on("", "", "")
		case 2, 6:
			on("API server not reachable", "Nothing is listening at the API server's address 127.0.0.1:9.", session.Unreachable)
		case 5, 7, 10:
			on("Login needed", "The cluster does not accept the login of the context.", session.LoginNeeded)
		case 11, 12:
			c.Usable, c.Reason, c.Trouble = false, `Context "x" names the cluster "nope", which is not in the kubeconfig.`, session.Unusable
		}
		s.Contexts = append(s.Contexts, c)
	}
	return s
}
