//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// browsers load a page whose script makes another request, which proves that the browser ran it.
func browsers() []row {
	var rows []row
	for _, way := range []struct{ name, option, url, note string }{
		{"socks5", "--proxy-server", "socks5://" + usual, "Chromium leaves names to a SOCKS5 proxy; with socks4 it would look them up itself."},
		{"http", "--proxy-server", "http://" + usual, ""},
		{"PAC", "--proxy-pac-url", "http://" + usual + "/proxy.pac", "cluster names to the proxy, all else direct."},
	} {
		rows = append(rows, row{"Chromium, " + way.name, "chromium " + way.option + "=" + way.url, way.note,
			func(ctx context.Context, l *lab) error {
				tag := "chromium-" + way.name
				args := []string{"--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
					"--disable-background-networking", "--user-data-dir=" + filepath.Join(l.dir, tag),
					way.option + "=" + strings.Replace(way.url, usual, l.proxy.String(), 1), "--virtual-time-budget=5000", "--dump-dom", "http://" + webHost + "/?" + tag}
				if os.Getuid() == 0 {
					args = append([]string{"--no-sandbox"}, args...) // root cannot use the sandbox
				}
				output, err := l.run(ctx, "chromium", args...)
				output = output[max(0, strings.Index(output, "<!DOCTYPE")):] // errors about the missing desktop come first
				if err := contains("inside the cluster")(output, err); err != nil {
					return err
				}
				return l.awaitScript(ctx, tag)
			}})
	}
	for _, preferences := range firefoxProxies {
		name := preferences.name
		rows = append(rows, row{"Firefox, " + name, preferences.line, preferences.note, func(ctx context.Context, l *lab) error {
			tag := "firefox-" + name
			set := strings.NewReplacer("PORT", fmt.Sprint(l.proxy.Port())).Replace(preferences.set)
			if _, err := l.file(tag+"/user.js", firefoxQuiet+set); err != nil {
				return err
			}
			_, err := l.run(ctx, "firefox-esr", "--headless", "--no-remote", "--profile", filepath.Join(l.dir, tag),
				"--screenshot", filepath.Join(l.dir, tag+".png"), "http://"+webHost+"/?"+tag)
			if err != nil {
				return err
			}
			return l.awaitScript(ctx, tag)
		}})
	}
	return rows
}

// awaitScript waits until the script of the page with that tag has made its request.
func (l *lab) awaitScript(ctx context.Context, tag string) error {
	for !l.http.has("GET /script?inside-" + tag + " Mozilla/5.0") {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the script of the page did not run: %w", ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// firefoxQuiet keeps a new profile from prompting and from making its own requests.
const firefoxQuiet = `user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.auto", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("dom.security.https_only_mode", false);
user_pref("dom.security.https_first", false);
`

// firefoxProxies are what a user sets in Settings, Network Settings.
var firefoxProxies = []struct{ name, set, line, note string }{
	{
		name: "SOCKS",
		set: `user_pref("network.proxy.type", 1);
user_pref("network.proxy.socks", "127.0.0.1");
user_pref("network.proxy.socks_port", PORT);
user_pref("network.proxy.socks_version", 5);
user_pref("network.proxy.socks_remote_dns", true);
`,
		line: "Manual: SOCKS Host 127.0.0.1, Port 1080, SOCKS v5",
		note: "with *Proxy DNS when using SOCKS v5*, which is the default.",
	},
	{
		name: "HTTP",
		set: `user_pref("network.proxy.type", 1);
user_pref("network.proxy.http", "127.0.0.1");
user_pref("network.proxy.http_port", PORT);
user_pref("network.proxy.ssl", "127.0.0.1");
user_pref("network.proxy.ssl_port", PORT);
`,
		line: "Manual: HTTP Proxy 127.0.0.1, Port 1080, also for HTTPS",
	},
	{
		name: "PAC",
		set: `user_pref("network.proxy.type", 2);
user_pref("network.proxy.autoconfig_url", "http://127.0.0.1:PORT/proxy.pac");
`,
		line: "Automatic: http://127.0.0.1:1080/proxy.pac",
		note: "cluster names to the proxy, all else direct.",
	},
}
