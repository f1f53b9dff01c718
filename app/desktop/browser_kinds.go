package desktop

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
)

// browserKind is a browser, with the names of its executables.
type browserKind struct {
	id, title string
	gecko     bool
	programs  []string
}

// preferences returns a Firefox profile's user.js: the proxy, and no first-run pages and questions.
func preferences(w Window) string {
	var b strings.Builder
	put := func(name string, value any) {
		text, _ := json.Marshal(value) // a string, number or bool, which is also valid JavaScript
		fmt.Fprintf(&b, "user_pref(%q, %s);\n", name, text)
	}
	put("browser.aboutwelcome.enabled", false)
	put("browser.shell.checkDefaultBrowser", false)
	put("browser.startup.homepage_override.mstone", "ignore")
	put("startup.homepage_welcome_url", "")
	put("trailhead.firstrun.didSeeAboutWelcome", true)
	put("datareporting.policy.dataSubmissionEnabled", false)
	put("datareporting.policy.dataSubmissionPolicyBypassNotification", true)
	put("app.normandy.enabled", false)
	put("network.captive-portal-service.enabled", false)
	put("network.connectivity-service.enabled", false)
	put("network.trr.mode", 5) // the proxy resolves names
	put("network.http.http3.enable", false)
	put("browser.fixup.dns_first_for_single_words", true) // a Service's short name is not a search
	if w.PAC != "" {
		put("network.proxy.type", 2)
		put("network.proxy.autoconfig_url", w.PAC)
	}
	if host, port, err := net.SplitHostPort(w.Proxy); err == nil && w.PAC == "" {
		put("network.proxy.type", 1)
		for _, kind := range []string{"http", "ssl"} {
			put("network.proxy."+kind, host)
			put("network.proxy."+kind+"_port", json.Number(port))
		}
	}
	return b.String()
}
