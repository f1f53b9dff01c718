package instance

import (
	"os"
	"path/filepath"
	"testing"

	"fairlead/app/session"
	"fairlead/app/settings"
	"fairlead/kube/kubeconfig"
)

// The names of a context's cluster and user may say more than its own.
func TestTheModelKnowsTheNamesInAContext(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kubeconfig")
	text := `{clusters: [{name: shop, cluster: {server: "https://127.0.0.1:1"}}], users: [{name: clusterUser_rg_shop, user: {token: x}}],
		contexts: [{name: a, context: {cluster: shop, user: clusterUser_rg_shop}}]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var entries []session.Entry
	for _, c := range kubeconfig.Load(file).Contexts {
		entries = append(entries, entryOf(c, settings.Context{Endpoints: make([]settings.Endpoint, 1)}, ""))
	}
	model := session.New(session.Config{})
	go func() { _ = model.Run(t.Context()) }()
	if err := model.Do(t.Context(), session.SetContexts{Entries: entries}); err != nil {
		t.Fatal(err)
	}
	if got, ok := model.Snapshot().Context("a"); !ok || got.Cluster != "shop" || got.User != "clusterUser_rg_shop" {
		t.Errorf("%+v", got)
	}
}

func TestEntriesSayWhichContextIsTheCurrentOne(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kubeconfig")
	fingerprints := map[string]string{}
	for _, current := range []string{"a", "b", ""} {
		text := `{current-context: "` + current + `", clusters: [{name: x, cluster: {server: "https://127.0.0.1:1"}}],
			contexts: [{name: a, context: {cluster: x}}, {name: b, context: {cluster: x}}]}`
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		contexts := kubeconfig.Load(file).Contexts
		if len(contexts) != 2 {
			t.Fatalf("%d contexts", len(contexts))
		}
		for _, c := range contexts {
			e := entryOf(c, settings.Context{Endpoints: make([]settings.Endpoint, 1)}, "")
			if e.Current != (e.Name == current) {
				t.Errorf("current is %q, and %q says %t", current, e.Name, e.Current)
			}
			if before, known := fingerprints[e.Name]; known && before != e.Fingerprint {
				t.Errorf("the proxy of %q has a change to apply, because another context is current", e.Name)
			}
			fingerprints[e.Name] = e.Fingerprint
		}
	}
}
