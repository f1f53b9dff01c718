package kubeconfig

import (
	"strings"
	"testing"
)

func TestClosestNamesAreSuggested(t *testing.T) {
	var contexts []Context
	for _, name := range []string{
		"staging", "production", "prod-eu", "demo", "demo-team", "kind-kind", "minikube", "gke_company_europe-west1_shop", strings.Repeat("x", 4000),
	} {
		contexts = append(contexts, Context{Name: name})
	}
	for name, want := range map[string]string{
		"stagng":                  "staging",
		"STAGING":                 "staging",
		"prod":                    "prod-eu production",
		"dmeo":                    "",
		"demo-taem":               "demo-team demo",
		"minikub":                 "minikube",
		"europe-west1":            "gke_company_europe-west1_shop",
		"shop":                    "gke_company_europe-west1_shop",
		"something-else":          "",
		"":                        "",
		strings.Repeat("x", 3999): strings.Repeat("x", 4000),
	} {
		if got := strings.Join(Closest(name, contexts), " "); got != want {
			t.Errorf("Closest(%.20q) = %.60q, want %.60q", name, got, want)
		}
	}
}
