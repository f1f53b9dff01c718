package menu

import (
	"fmt"
	"strings"
	"testing"

	"fairlead/app/session"
)

// forwarded is a context that is on and has three fixed local ports, with the Services of its cluster.
func forwarded() (session.Snapshot, Extras) {
	e := func(address, target, protocol string, chosen bool, problem string) session.Endpoint {
		return session.Endpoint{Address: address, Kind: session.ForwardEndpoint, Target: target, Protocol: protocol, Chosen: chosen, Problem: problem}
	}
	c := session.State{
		Name: "staging", Phase: session.On, Wanted: true, Usable: true,
		Endpoints: append(session.ProxyAt("127.0.0.1:1080"), e("127.0.0.1:5432", "db.billing:postgres", "tcp", false, ""),
			e("127.0.0.1:8443", "web.shop.svc:443", "http", true, ""), e("127.0.0.2:6379", "cache:6379", "tcp", true, "It is taken.")),
	}
	services := []Service{{"billing", "db", []Port{{5432, "postgres"}, {9187, "metrics"}}}, {"shop", "web", []Port{{80, "http"}, {443, "https"}}}}
	return session.Snapshot{Version: 1, Contexts: []session.State{c}}, Extras{Contexts: map[string]Extra{"staging": {Services: services, Namespaces: []string{"shop"}}}}
}

func TestForwardsAreItemsWithCheckMarks(t *testing.T) {
	snapshot, extras := forwarded()
	items := Build(snapshot, extras)
	for id, want := range map[string]string{
		"local/127.0.0.1:5432/staging":             "[x] localhost:5432 → db.billing:postgres",
		"local/127.0.0.1:8443/staging":             "[x] localhost:8443 → web.shop.svc:443 remove-forward 127.0.0.1:8443",
		"local/127.0.0.2:6379/staging":             "[ ] 127.0.0.2:6379 → cache:6379  (not open) remove-forward 127.0.0.2:6379",
		"forward/5432/postgres/billing/db/staging": "[x] Forward localhost:5432 → db.billing.svc:5432",
		"forward/9187/metrics/billing/db/staging":  "[ ] Forward localhost:9187 → db.billing.svc:9187 add-forward 127.0.0.1:9187 db.billing.svc:9187 tcp",
		"forward/80/http/shop/web/staging":         "[ ] Forward localhost:8080 → web.shop.svc:80 add-forward 127.0.0.1:8080 web.shop.svc:80 http",
		"forward/443/https/shop/web/staging":       "[x] Forward localhost:8443 → web.shop.svc:443 remove-forward 127.0.0.1:8443",
	} {
		item, found := withID(items, id)
		mark := "[ ] "
		if item.Checked {
			mark = "[x] "
		}
		got := strings.TrimSpace(mark + item.Title + " " + string(item.Click.Action) + " " + item.Click.Argument)
		if !found || !item.Checkable || got != want || item.Disabled != (item.Click == Click{}) {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
}

// A number that is taken is not offered, whether the context has it or a forward was refused for it.
func TestTheNextLocalPortIsOfferedForATakenOne(t *testing.T) {
	snapshot, extras := forwarded()
	extra := extras.Contexts["staging"]
	extra.Services = []Service{{"billing", "old", []Port{{5432, ""}, {1080, ""}, {6379, ""}, {9187, ""}, {65535, ""}}}}
	extra.TakenPorts = []uint16{9187, 9188, 65535}
	extras.Contexts["staging"] = extra
	items := Build(snapshot, extras)
	for number, want := range map[int]int{5432: 5433, 1080: 1081, 6379: 6379, 9187: 9189, 65535: 65535} {
		item, found := withID(items, fmt.Sprintf("forward/%d//billing/old/staging", number))
		title, argument := fmt.Sprintf("Forward localhost:%d → old.billing.svc:%d", want, number), fmt.Sprintf("127.0.0.1:%d old.billing.svc:%d tcp", want, number)
		if !found || item.Title != title || item.Click.Argument != argument || item.Checked {
			t.Errorf("%d: %+v, want %q, %q", number, item, title, argument)
		}
	}
}

func withID(items []Item, id string) (Item, bool) {
	for _, item := range items {
		if item.ID == id {
			return item, true
		}
		if found, ok := withID(item.Items, id); ok {
			return found, true
		}
	}
	return Item{}, false
}
