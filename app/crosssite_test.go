package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestPagesOfOtherSitesAreRefusedWhereTheSettingsSaySo(t *testing.T) {
	config := t.TempDir()
	r := start(t, []string{"XDG_CONFIG_HOME=" + config}, "serve", "--kubeconfig", cluster.Kubeconfig, "--listen", "127.0.0.1:0", "demo")
	_, address, _ := strings.Cut(r.line(t), "socks5h://")
	ask := func(field string) string {
		return run(t, "", "curl", "-sS", "--noproxy", "", "-w", " %{http_code}", "-x", "http://"+address, "-H", field, "http://hello.default/")
	}
	const foreign = "Origin: http://db.default"
	for _, field := range []string{foreign, "Origin: http://hello.default", "Sec-Fetch-Site: cross-site"} {
		if got := ask(field); !strings.Contains(got, "default/hello-") {
			t.Errorf("by default, %s: %s", field, got)
		}
	}
	writeFile(t, filepath.Join(config, "fairlead", "config.yaml"), "contexts: {demo: {cross-site: refuse}}\n")
	eventually(t, "pages of other sites are refused", func() bool { return strings.HasSuffix(ask(foreign), " 403") })
	want := "A page of http://db.default asked for hello.default:80, and this context refuses what pages of other sites ask for. " +
		"If that page may do so, allow it in the settings: cross-site: allow.\n 403"
	if got := ask(foreign); got != want {
		t.Errorf("%s: %q, want %q", foreign, got, want)
	}
	if got := ask("Sec-Fetch-Site: cross-site"); !strings.HasSuffix(got, " 403") {
		t.Errorf("Sec-Fetch-Site: %s", got)
	}
	for _, field := range []string{"Origin: http://hello.default", "Accept: */*"} {
		if got := ask(field); !strings.Contains(got, "default/hello-") {
			t.Errorf("%s: %s", field, got)
		}
	}
}
