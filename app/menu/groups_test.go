package menu

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"fairlead/app/session"
)

// grouped returns the titles of the submenus of many contexts.
func grouped(contexts []session.State) (titles []string) {
	for _, item := range contextsOf(contexts) {
		if strings.HasPrefix(item.ID, "group/") {
			titles = append(titles, item.Title)
		}
	}
	return titles
}

func contextsOf(contexts []session.State) []Item {
	return Build(session.Snapshot{Version: 1, Contexts: contexts}, Extras{})
}

func TestGroupsAreNamedByAccountProjectWordOrFile(t *testing.T) {
	var contexts []session.State
	add := func(count int, file, format string) {
		for i := range count {
			contexts = append(contexts, session.State{Name: fmt.Sprintf(format, i), File: file, Usable: true, Phase: session.Off})
		}
	}
	add(9, "/k/work", "arn:aws:eks:eu-central-1:123456789012:cluster/a-%d")
	add(8, "/k/work", "arn:aws:eks:eu-west-1:210987650987:cluster/b-%d")
	add(7, "/k/work", "gke_acme-data_europe-west1_c-%d")
	add(6, "/k/work", "team-%d")
	add(5, "/k/customers/one", "%d.customer")
	add(4, "/k/elsewhere/one", "arn:broken:%d") // no account's
	add(3, "/k/work", "Teleport%d")
	add(1, "/k/single", "single-%d")
	want := []string{"EKS 1234…9012 (9)", "EKS 2109…0987 (8)", "GKE acme-data (7)", "team (6)", "customers/one (5)", "arn (4)", "work (3)"}
	if got := grouped(contexts); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	items := contextsOf(contexts)
	if last := items[slices.IndexFunc(items, func(item Item) bool { return item.Title == "work (3)" })+1]; last.ID != "row/single-0" {
		t.Errorf("what is alone is %q", last.ID)
	}
}

// TestGroupsStayWhereTheyAre whatever is started.
func TestGroupsStayWhereTheyAre(t *testing.T) {
	ids := func(contexts []session.State) (ids []string) {
		for _, item := range contextsOf(contexts) {
			if strings.HasPrefix(item.ID, "group/") {
				ids = append(ids, item.ID)
			}
		}
		return ids
	}
	contexts := many(200, 12)
	want := ids(contexts)
	if len(want) != maxGroups {
		t.Errorf("%d groups: %q", len(want), want)
	}
	for i, at := range []int{3, 7, 90} {
		c := &contexts[at]
		c.Phase, c.Wanted, c.Used, c.Endpoints = session.On, true, noon, session.ProxyAt(fmt.Sprint("127.0.0.1:", 1080+i))
		if got := ids(contexts); !slices.Equal(got, want) {
			t.Errorf("with %d on they are %q, and were %q", i+1, got, want)
		}
	}
	for i := range contexts {
		if contexts[i].Phase == session.On {
			contexts[i].Phase, contexts[i].Wanted = session.Off, false
		}
	}
	if got := ids(contexts); !slices.Equal(got, want) {
		t.Errorf("afterwards they are %q, and were %q", got, want)
	}
}

// TestNoTwoContextsAreAGroup where leaving out a caption makes room for them.
func TestNoTwoContextsAreAGroup(t *testing.T) {
	contexts := many(14, 1)
	for i := range 7 {
		contexts[i].Phase, contexts[i].Wanted, contexts[i].Endpoints = session.On, true, session.ProxyAt(fmt.Sprint("127.0.0.1:", 1080+i))
	}
	if got := grouped(contexts); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

func TestLargeGroupsHavePagesAndTitlesOfTheirOwn(t *testing.T) {
	var contexts []session.State
	for i := range 30 {
		for _, account := range []string{"123400009012", "123411119012"} { // the same ends
			contexts = append(contexts, session.State{Name: fmt.Sprintf("arn:aws:eks:eu-1:%s:cluster/c-%02d", account, i), Usable: true, Phase: session.Off})
		}
	}
	want := []string{
		"EKS 123400009012: c-00 – c-24 (25)", "EKS 123400009012: c-25 – c-29 (5)", "EKS 123411119012: c-00 – c-24 (25)", "EKS 123411119012: c-25 – c-29 (5)",
	}
	if got := grouped(contexts); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

func TestGroupsOfTheSameTitleAreNumbered(t *testing.T) {
	contexts := many(25, 12)
	for i := range 5 {
		contexts = append(contexts, named(fmt.Sprintf("do-ams3-a%d", i), fmt.Sprintf("DigitalOcean-%d", i))...)
	}
	want := []string{"DigitalOcean #1 (5)", "DigitalOcean… (5)", "kind (5)"}
	got := slices.DeleteFunc(grouped(contexts), func(title string) bool { return !strings.Contains(title, "(5)") })
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestPagesOfAWordSayItOnce(t *testing.T) {
	var contexts []session.State
	for i := range 60 {
		contexts = append(contexts, session.State{Name: fmt.Sprintf([]string{"kind-%d", "other-%d"}[i%2], i), Usable: true, Phase: session.Off})
	}
	want := []string{"kind-0 – kind-48 (25)", "kind-50 – kind-58 (5)", "other-1 – other-49 (25)", "other-51 – other-59 (5)"}
	if got := grouped(contexts); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// TestRowsLeaveOutWhatTheirGroupSays except where they would look like other rows.
func TestRowsLeaveOutWhatTheirGroupSays(t *testing.T) {
	contexts := named("api · eu-1", "web")
	for i := range 13 {
		for _, format := range []string{"arn:aws:eks:eu-1:123456789012:cluster/c-%d", "gke_acme_eu-2_d-%d", "me@e-%d.eu-3.eksctl.io"} {
			contexts = append(contexts, named(fmt.Sprintf(format, i))...)
		}
	}
	contexts = append(contexts, named("arn:aws:eks:eu-1:123456789012:cluster/api", "me@web.eu-3.eksctl.io")...)
	contexts[2].Production = true
	rows := map[string]string{}
	walk(contextsOf(contexts), func(item Item) { rows[item.ID] = item.Title })
	for name, want := range map[string]string{
		"arn:aws:eks:eu-1:123456789012:cluster/c-0": "PROD c-0 · eu-1", "gke_acme_eu-2_d-1": "d-1 · eu-2", "me@e-2.eu-3.eksctl.io": "e-2",
		"arn:aws:eks:eu-1:123456789012:cluster/api": "api · eu-1 …9012", "me@web.eu-3.eksctl.io": "web · eu-3",
	} {
		if got := rows["row/"+name]; got != want {
			t.Errorf("%s is called %q, not %q", name, got, want)
		}
	}
	one := Build(session.Snapshot{Version: 1, Contexts: contexts}, Extras{})
	if start, ok := withID(one, id(Click{Action: Start, Context: contexts[2].Name})); !ok || start.Title != "Start c-0 · eu-1 …9012" {
		t.Errorf("what asks is %q", start.Title)
	}
}

// “az aks get-credentials” says the resource group in the name of the user alone.
func TestClustersOfAKSAreGroupedByResourceGroup(t *testing.T) {
	var contexts []session.State
	add := func(count int, name, cluster, user string) {
		for i := range count {
			contexts = append(contexts, session.State{
				Name: fmt.Sprintf(name, i), Cluster: fmt.Sprintf(cluster, i), User: fmt.Sprintf(user, i), Usable: true, Phase: session.Off,
			})
		}
	}
	add(20, "shop%d", "shop%d", "clusterUser_rg_shop_shop%d")
	add(4, "shop%d-admin", "shop%d", "clusterAdmin_rg_shop_shop%d")
	add(8, "renamed%d", "data_%d", "clusterUser_rg-data_data_%d")
	add(5, "almost%d", "cluster%d", "clusterUser_r_g_another%d")
	add(4, "chosen%d", "chosen%d", "clusterUser_rg-data_other%d")
	add(5, "empty%d", "cluster%d", "clusterUser__cluster%d")
	add(5, "unsafe%d", "cluster%d", "clusterUser_\u202e_cluster%d")
	want := []string{"AKS rg_shop (24)", "AKS rg-data (12)", "Others (15)"}
	if got := grouped(contexts); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	if titles := titlesOf(contexts); titles["shop1"] != "shop1" || titles["shop1-admin"] != "shop1-admin" {
		t.Errorf("%q", titles)
	}
}

func TestNumbersInTitlesAreInOrder(t *testing.T) {
	want := []string{"", "7", "a", "a 2", "a-2", "a-02", "a-9", "a-10", "a-10-1", "a-10-12", "a-10b", "a-18446744073709551617", "b", "é"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, byNumber)
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
