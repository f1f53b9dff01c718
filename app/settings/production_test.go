package settings

import (
	"strings"
	"testing"
)

func TestNamesMarkProductionByTheirWords(t *testing.T) {
	for want, names := range map[bool]string{
		true: `prod prd live production prod-eu eu_PROD prd-eu live-payments payments-live prod1 prod01-eu eu-prd2
			arn:aws:eks:eu-west-1:1:cluster/prod gke_acme-prod_europe-west1_shop admin@production.example
			shopProd prodEU ProdWest shop.prod.eu teleport.example.com-prod do-fra1-PRD
			product-production product-prod live-product nonlive-prod non-eu-prod
			euprod euprod1 prodeast aksprod acmeproduction productioneast prod-test prods 上海-prod-1`,
		false: `dev staging nonprod eu-non-prod NonProd nonProd PreProd-1 preprod pre-prod pre_prod pre.prod Pre-Production
			pre-production preproduction nonproduction non-live pre-live not-prod no-prod post-production
			reproduction-lab reproduction product-catalogue products product producer produce prodigy
			livestream delivery olive alive lively prdx xprd prosciutto approdo`,
	} {
		for _, name := range strings.Fields(names) {
			if got := (Config{}).production(name); got != want {
				t.Errorf("%s: %t", name, got)
			}
		}
	}
	for _, name := range []string{"", "-", "team a prod", "prod\x00\xff", "\u202eprod"} {
		if got, want := (Config{}).production(name), strings.Contains(name, "prod"); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}
