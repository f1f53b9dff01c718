package menu

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"

	"fairlead/app/session"
)

// named returns contexts with these names.
func named(names ...string) (contexts []session.State) {
	for _, name := range names {
		contexts = append(contexts, session.State{Name: name, Usable: true, Phase: session.Off})
	}
	return contexts
}

func TestTitlesFollowTheGrammarOfNames(t *testing.T) {
	long := strings.Repeat("x", 30)
	for what, rows := range map[string][][2]string{
		"each cloud's": {
			{"arn:aws:eks:eu-central-1:123456789012:cluster/payments-production-green", "payments-production-green · eu-central-1 …9012"},
			{"arn:aws-cn:eks:cn-north-1:123456789012:cluster/shop", "shop · cn-north-1 …9012"},
			{"gke_acme-data_europe-west1_prod", "prod · acme-data europe-west1"},
			{"gke_example.com:web_us-central1-a_a-b", "a-b · example.com:web us-central1-a"},
			{"me@shop.eu-west-1.eksctl.io", "shop · eu-west-1"},
			{"connectgateway_acme-data_global_edge", "edge · acme-data global"},
			{"do-fra1-shop", "shop · fra1"},
			{"teleport.example.com-staging\tteleport.example.com", "staging · teleport.example.com"},
			{"kind-dev\tkind-dev", "kind-dev"},
			{"aks-shop\taks-shop", "aks-shop"},
			{"aks-shop-admin\taks-shop", "aks-shop-admin"},
			{"rancher-shop\trancher-shop", "rancher-shop"},
			{"rancher-shop-node1\trancher-shop-node1", "rancher-shop-node1"},
			{"minikube\tminikube", "minikube"},
			{"default/api-crc-testing:6443/kubeadmin", "default/api-crc-testing:6443/kubeadmin"},
		},
		"what is almost one": {
			{"arn:aws:eks:eu-central-1:12345678901:cluster/a", "arn:aws:eks:eu-central-1:12345678901:cluster/a"},
			{"arn:aws:eks:eu-central-1:123456789012:cluster/", "arn:aws:eks:eu-central-1:123456789012:cluster/"},
			{"gke_a_b", "gke_a_b"},
			{"do-re-mi", "do-re-mi"},
			{"gke_my-proj_europe-west1_prod & more", "gke_my-proj_europe-west1_prod & more"},
			{"lab-staging\tlab", "lab-staging"},
			{"lab.x-\tlab.x", "lab.x-"},
		},
		"what all share": {
			{"arn:aws:eks:eu-central-1:123456789012:cluster/a", "a"},
			{"arn:aws:eks:eu-central-1:123456789012:cluster/b", "b"},
		},
		"what some share": {
			{"arn:aws:eks:eu-central-1:123456789012:cluster/a", "a · …9012"},
			{"arn:aws:eks:eu-central-1:123456789013:cluster/a", "a · …9013"},
		},
		"equal ends of accounts": {
			{"arn:aws:eks:eu-central-1:123456789012:cluster/a", "a · eu-central-1 123456789012"},
			{"arn:aws:eks:eu-central-1:223456789012:cluster/a", "a · eu-central-1 223456789012"},
			{"arn:aws:eks:eu-central-1:323456789012:cluster/b", "b"},
		},
		"one zone": {
			{"gke_one_zone_a", "a · one"},
			{"gke_two_zone_a", "a · two"},
		},
		"another's title as a name": {
			{"a · eu-central-1 …9012", "a · eu-central-1 …9012"},
			{"arn:aws:eks:eu-central-1:123456789012:cluster/a", "a · eu-central-1 123456789012"},
		},
		"plain": {
			{"prod", "prod"}, {"PROD", "PROD"}, {"prod-eu", "prod-eu"}, {"team a", "team a"}, {"上海-生产", "上海-生产"},
		},
		"too long": {
			{long + long, long[:24] + "…" + long[:23]},
			{"short", "short"},
		},
		"too long, and some would fit": {
			{long + "y" + long, long + "y" + long},
			{long + "z" + long, long + "z" + long},
		},
		"a difference in the middle": {
			{strings.Repeat("a", 50) + "-one-" + strings.Repeat("b", 50), "aaaaaaaaaaaaaaaa…aa-one-bb…bbbbbbbbbbbbbbbb"},
			{strings.Repeat("a", 50) + "-two-" + strings.Repeat("b", 50), "aaaaaaaaaaaaaaaa…aa-two-bb…bbbbbbbbbbbbbbbb"},
			{"other", "other"},
		},
		"a long beginning": {
			{strings.Repeat("acme-", 12) + "one", "…one"},
			{strings.Repeat("acme-", 12) + "two", "…two"},
		},
	} {
		t.Run(what, func(t *testing.T) {
			var contexts []session.State
			for _, row := range rows {
				name, cluster, _ := strings.Cut(row[0], "\t")
				contexts = append(contexts, session.State{Name: name, Cluster: cluster})
			}
			titles := titlesOf(contexts)
			for i, row := range rows {
				if titles[contexts[i].Name] != row[1] {
					t.Errorf("%s\nis  %q\nnot %q", row[0], titles[contexts[i].Name], row[1])
				}
			}
		})
	}
}

// lists are names of which several may look alike.
func lists() map[string][]string {
	random := rand.New(rand.NewPCG(1, 2))
	lists := map[string][]string{
		"invisible": {"", " ", "  ", "(no name)", "\u200b", "\u2060", "ab", "a\u200bb", "a\u200cb", "a\ufe0fb", "a\u00adb", "\ufeffab", "a\u3164b", "a b", "a  b", "a\u00a0b", " a b", "a\tb", "a\nb"},
		"unsafe":    {"a\x00", "a\x01", "a\u202e", "a\u2066", "a\xff", "a\xfe", "a\ufffd", "a\ufdd0", "\x1b[31ma", "\x1b[32ma"},
		"case":      {"prod", "Prod", "PROD", "pRod", "рrod", "ｐrod"},
		"huge": {
			strings.Repeat("a", 64<<10), strings.Repeat("a", 64<<10) + "b", strings.Repeat("a", 32<<10) + "b" + strings.Repeat("a", 32<<10),
			strings.Repeat("a", 40<<10) + "c" + strings.Repeat("a", 24<<10), strings.Repeat("é", 32<<10), strings.Repeat("é", 30<<10) + "x" + strings.Repeat("é", 2<<10),
		},
		"lengths": nil, "one place": nil, "clouds": nil, "random": nil,
	}
	for i := range 200 {
		lists["lengths"] = append(lists["lengths"], strings.Repeat("x", i))
		lists["one place"] = append(lists["one place"], strings.Repeat("start-", 20)+fmt.Sprintf("%03d", i)+strings.Repeat("-end", 30))
		lists["clouds"] = append(lists["clouds"],
			fmt.Sprintf("arn:aws:eks:eu-%d:%d23456789012:cluster/team-%d", i%2, i%7, i%11), fmt.Sprintf("gke_p%d_zone-%d_team-%d", i%5, i%3, i%11),
			fmt.Sprintf("team-%d", i%11), fmt.Sprintf("team-%d · eu-%d …9012", i%11, i%2))
		long := fmt.Sprintf("%s%d%s", strings.Repeat("a", random.IntN(99)), random.IntN(3), strings.Repeat("b", random.IntN(99)))
		lists["random"] = append(lists["random"], long, string([]rune{rune(random.IntN(0x3000)), rune(random.IntN(0x3000)), rune(random.IntN(0x3000))}))
	}
	return lists
}

func TestNoTwoTitlesLookTheSame(t *testing.T) {
	all := lists()
	for what, names := range all {
		t.Run(what, func(t *testing.T) { differ(t, names) })
	}
	t.Run("together", func(t *testing.T) { differ(t, slices.Concat(slices.Collect(maps.Values(all))...)) })
}

// The author of a kubeconfig can compute titles as well.
func TestNoNameTakesTheTitleOfAnother(t *testing.T) {
	for _, first := range []string{"arn:aws:eks:eu-central-1:123456789012:cluster/a", strings.Repeat("a", 99), "a\x00", ""} {
		names := []string{first}
		for range 20 {
			names = append(names, titlesOf(named(names...))[first])
			differ(t, names)
		}
	}
}

func TestAContextThatIsListedTwiceHasOneTitle(t *testing.T) {
	if titles := titlesOf(named("a\x00", "a\x00", "b", "b")); len(titles) != 2 || titles["b"] != "b" || titles["a\x00"] != "a\ufffd" {
		t.Errorf("%q", titles)
	}
}

func TestTitlesElsewhereMarkProduction(t *testing.T) {
	s := session.Snapshot{Contexts: named("dev", "gke_acme_zone_prod")}
	s.Contexts[1].Production = true
	if titles := Titles(s); titles["dev"] != "dev" || titles["gke_acme_zone_prod"] != "PROD prod · acme zone" {
		t.Errorf("%q", titles)
	}
}

// differ checks the titles of all names: that they are safe, bounded, and look different, also from the other names.
func differ(t *testing.T, names []string) {
	t.Helper()
	names = slices.Clone(names)
	slices.Sort(names)
	names = slices.Compact(names)
	titles := titlesOf(named(names...))
	by := map[string]string{}
	for _, name := range names {
		title, there := titles[name]
		if !there || title == "" || title != clean(title) || strings.TrimSpace(title) != title || runeCount(title) > maxTitle {
			t.Errorf("%.200q has the title %q", name, title)
		}
		seen := strings.Join(strings.Fields(strings.Map(func(r rune) rune {
			if unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) {
				return -1
			}
			return r
		}, title)), " ")
		if other, taken := by[seen]; taken {
			t.Errorf("%.200q and %.200q have the title %q", name, other, title)
		}
		by[seen] = name
		if _, isName := titles[title]; isName && title != name {
			t.Errorf("%.200q has the title %q, which is another's name", name, title)
		}
	}
	slices.Reverse(names)
	if again := titlesOf(named(names...)); !maps.Equal(again, titles) {
		t.Error("the titles depend on the order")
	}
}

func TestTitlesStayWhenAnotherContextComes(t *testing.T) {
	names := []string{
		"arn:aws:eks:eu-central-1:123456789012:cluster/a", "gke_acme-data_europe-west1_a", "gke_acme-data_europe-west1_b", "kind-dev", "kind-lab", "prod",
		strings.Repeat("a", 50) + "-one-" + strings.Repeat("b", 50), strings.Repeat("a", 50) + "-two-" + strings.Repeat("b", 50),
	}
	before := titlesOf(named(names...))
	for more, changes := range map[string]string{
		"minikube": "", "kind-x": "", "a": "", "b · acme-data": "", "gke_acme-data_europe-west1_c": "", "gke_other_zone_a": "", strings.Repeat("z", 100): "",
		"arn:aws:eks:us-east-1:123456789012:cluster/a":    "",
		"arn:aws:eks:eu-central-1:923456789012:cluster/a": names[0],
		"b · acme-data europe-west1":                      names[2],
	} {
		after := titlesOf(named(append(names[:len(names):len(names)], more)...))
		for _, name := range names {
			if (before[name] != after[name]) != (name == changes) {
				t.Errorf("with %.60q, %q becomes %q", more, before[name], after[name])
			}
		}
	}
}

func TestEveryRowHasItsOwnTitle(t *testing.T) {
	menus := snapshots()
	for what, names := range lists() {
		menus["names/"+what] = session.Snapshot{Version: 1, Contexts: named(names...)}
		for i := range menus["names/"+what].Contexts {
			menus["names/"+what].Contexts[i].File = fmt.Sprint("/k/", i%3)
		}
	}
	for what, s := range menus {
		s.Contexts = slices.Clone(s.Contexts)
		slices.SortFunc(s.Contexts, func(a, b session.State) int { return strings.Compare(a.Name, b.Name) })
		s.Contexts = slices.CompactFunc(s.Contexts, func(a, b session.State) bool { return a.Name == b.Name })
		for _, room := range []int{0, 12} {
			x := extras()
			x.Lines = room
			titles := map[string]string{}
			walk(Build(s, x), func(item Item) {
				if !strings.HasPrefix(item.ID, "row/") {
					return
				}
				if other, taken := titles[item.Title]; taken {
					t.Errorf("%s: %.100q and %.100q have the title %q", what, item.ID, other, item.Title)
				}
				titles[item.Title] = item.ID
			})
			siblings(t, what, Build(s, x))
		}
	}
}

// siblings checks that no two submenus next to each other have the same title.
func siblings(t *testing.T, what string, items []Item) {
	t.Helper()
	titles := map[string]string{}
	for _, item := range items {
		if len(item.Items) == 0 {
			continue
		}
		if other, taken := titles[item.Title]; taken {
			t.Errorf("%s: %.100q and %.100q have the title %q", what, item.ID, other, item.Title)
		}
		titles[item.Title] = item.ID
		siblings(t, what, item.Items)
	}
}
