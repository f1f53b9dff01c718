package proxy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fairlead/proxy"
)

// browserPatience bounds what a browser takes to start, and to run a page.
const browserPatience = 2 * time.Minute

// A hostile site serves the page whose script is run, and takes what the script reports.
type hostile struct {
	page     string
	reported chan []byte
}

func newHostile(script string) *hostile {
	return &hostile{
		page: "<!doctype html><title>page</title><body><script>" + script + `
run().catch(e => ({failed: String(e)})).then(said =>
	fetch(report, {method: "POST", mode: "no-cors", body: JSON.stringify(said)}));
</script>`,
		reported: make(chan []byte, 1),
	}
}

func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, h.page)
	case "/report":
		said, _ := io.ReadAll(r.Body)
		h.report(said)
	default:
		http.NotFound(w, r)
	}
}

// report keeps the first report.
func (h *hostile) report(said []byte) {
	select {
	case h.reported <- said:
	default:
	}
}

// home makes a folder for a browser. It is not t.TempDir's: a browser puts a socket there, the path of which ends at 108
// bytes.
func home(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "browser")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// A browser begins the command line of one that uses a home.
type browser func(t *testing.T, home string) []string

// chromium returns Chromium with options.
func chromium(options ...string) browser {
	return func(_ *testing.T, home string) []string {
		return append([]string{
			"chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
			"--user-data-dir=" + home + "/profile", "--remote-debugging-port=0",
		}, options...)
	}
}

// firefox returns Firefox with an HTTP proxy.
func firefox(proxy string) browser {
	return func(t *testing.T, home string) []string {
		t.Helper()
		host, port, err := net.SplitHostPort(proxy)
		if err != nil {
			t.Fatal(err)
		}
		preferences := fmt.Sprintf(`user_pref("network.proxy.type", 1);
user_pref("network.proxy.http", %q);
user_pref("network.proxy.http_port", %s);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
`, host, port)
		if err := os.WriteFile(filepath.Join(home, "user.js"), []byte(preferences), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"firefox-esr", "--headless", "--no-remote", "--profile", home}
	}
}

// browse opens a page in a browser until its script has reported, and decodes that.
func (h *hostile) browse(t *testing.T, by browser, url string, report any) {
	t.Helper()
	dir := home(t)
	// A browser's processes end with the first one of their own process namespace.
	args := append([]string{"--pid", "--fork", "--mount-proc", "--kill-child"}, by(t, dir)...)
	cmd := exec.Command("unshare", append(args, url)...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "TMPDIR="+dir)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var text []byte
	select {
	case text = <-h.reported:
	case <-time.After(browserPatience):
	}
	_ = cmd.Process.Kill()
	<-ended // and with it all that could write to its output
	if err := json.Unmarshal(text, report); err != nil {
		t.Fatalf("the page reported %q (%v); the browser said:\n%s", text, err, &said)
	}
}

// lookAround asks a port in each way that a page has, and says what each looked like.
const lookAround = `
const report = "/report";
function element(kind, attribute, url) {
	return new Promise(done => {
		const e = document.createElement(kind);
		e.onload = () => done("loaded");
		e.onerror = () => done("failed");
		if (kind == "link") e.rel = "stylesheet";
		e[attribute] = url;
		document.body.append(e);
	});
}
function socket(url) {
	return new Promise(done => {
		const s = new WebSocket(url);
		s.onopen = () => done("open");
		s.onclose = e => done("closed " + e.code + e.reason);
	});
}
function ask(url, options) {
	return fetch(url, options).then(async r => r.type + " " + r.status + " " + await r.text(), () => "failed");
}
async function run() {
	const said = {};
	for (const host of hosts) {
		const at = "http://" + host, opaque = {mode: "no-cors"};
		said[host] = [
			await ask(at + "/", opaque), await ask(at + "/", {}), await ask(at + "/favicon.ico", opaque), await ask(at + "/proxy.pac", opaque),
			await ask(at + "/", {...opaque, method: "POST", body: "x"}), await ask(at + "/", {method: "PUT", body: "x"}),
			await ask(at + "/" + "a".repeat(70000), opaque), await ask(at + "/", {...opaque, credentials: "include"}),
			await element("img", "src", at + "/favicon.ico"), await element("script", "src", at + "/proxy.pac"),
			await element("link", "href", at + "/"), await socket("ws://" + host + "/"),
		];
	}
	return said;
}
`

// A page of another site, and one whose name leads here all at once, see of a proxy what they see of a port behind which
// connections are closed.
func TestAPageCannotTellThatAProxyIsHere(t *testing.T) {
	config := direct()
	config.Pages = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "page") })
	w := open(t, config)
	silent := target(t, func(conn *net.TCPConn) { _, _ = conn.Read(make([]byte, 1)) })
	server := web(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	var hosts []string
	for _, at := range []string{w.addr, silent, server.Listener.Addr().String()} {
		_, port, _ := net.SplitHostPort(at)
		hosts = append(hosts, at, "localhost:"+port, "rebound.example:"+port)
	}
	list, err := json.Marshal(hosts)
	if err != nil {
		t.Fatal(err)
	}
	h := newHostile("const hosts = " + string(list) + ";" + lookAround)
	site := web(t, h.ServeHTTP)
	said := map[string][]string{}
	browser := chromium("--no-proxy-server", "--host-resolver-rules=MAP *.example 127.0.0.1, MAP localhost 127.0.0.1")
	h.browse(t, browser, strings.Replace(site.URL, "127.0.0.1", "evil.example", 1), &said)
	for i, host := range hosts[:3] {
		if want := said[hosts[3+i]]; len(want) == 0 || !reflect.DeepEqual(said[host], want) {
			t.Errorf("%s looks like\n %q, and a port that closes connections like\n %q", host, said[host], want)
		}
		if reflect.DeepEqual(said[host], said[hosts[6+i]]) {
			t.Errorf("a server looks no different: %q", said[host])
		}
	}
}

// readOwn makes the server of a page's own origin fail, and reads what the proxy says of it, as a script that would like to
// be taken for no browser does.
const readOwn = `
const report = "http://report.example/report";
function old(url, headers) {
	return new Promise(done => {
		const r = new XMLHttpRequest();
		r.open("GET", url);
		for (const name in headers) r.setRequestHeader(name, headers[name]);
		r.onloadend = () => done(r.getAllResponseHeaders() + r.responseText);
		r.send();
	});
}
function frame(url) {
	return new Promise(done => {
		const f = document.createElement("iframe");
		f.onload = () => { try { done(f.contentDocument.documentElement.outerHTML) } catch (e) { done("hidden: " + e) } };
		f.src = url;
		document.body.append(f);
	});
}
function own(url, options) {
	return fetch(url, options).then(async r => JSON.stringify([...r.headers]) + await r.text(), e => "failed: " + e);
}
async function run() {
	const shed = {"User-Agent": "curl/8.14.1", "Accept-Language": "", "Accept-Encoding": "", "Accept": "*/*", "Sec-Fetch-Site": "none"};
	return {
		read: [
			await own("/1", {}), await own("/2", {referrerPolicy: "no-referrer", headers: shed, credentials: "omit", cache: "no-store"}),
			await own("/3", {headers: {Accept: "text/html"}}), await own("/4", {method: "POST", body: "x"}), await old("/5", shed), await frame("/6"),
		],
		foreign: [
			await own("http://other.example/", {}), await own("http://other.example/", {mode: "no-cors"}),
			await own("http://other.example/", {mode: "no-cors", headers: {Accept: "text/html"}}),
		],
	};
}
`

// The script of a Service's page learns no more of a failure than is public, and that of another origin not even that
// there is somebody who says it.
func TestAPageReadsOnlyWhatIsPublic(t *testing.T) {
	for name, browser := range map[string]func(proxy string) browser{
		"chromium": func(proxy string) browser { return chromium("--proxy-server=http://" + proxy) },
		"firefox":  firefox,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(readOwn)
			site := web(t, h.ServeHTTP)
			site.Config.SetKeepAlivesEnabled(false) // each request needs a dial
			w := open(t, failingLater(site.Listener.Addr().String()))
			var said struct{ Read, Foreign []string }
			h.browse(t, browser(w.addr), "http://web.example/", &said)
			for i, text := range said.Read {
				if strings.Contains(text, "secret") || !strings.Contains(text, "in public") && !strings.Contains(text, "hidden") {
					t.Errorf("read %d: %s", i, text)
				}
			}
			for i, text := range said.Foreign {
				if !strings.HasPrefix(text, "failed: ") {
					t.Errorf("of another origin %d: %s", i, text)
				}
			}
			if len(said.Read) != 6 || len(said.Foreign) != 3 {
				t.Errorf("the page reported %+v", said)
			}
			// A program gets all there is to say.
			if out, code := curl(t, "-x", "http://"+w.addr, "http://other.example/"); code != 0 || out != "secret\n" {
				t.Errorf("curl: exit %d, %q", code, out)
			}
		})
	}
}

// failingLater leads to a site by any name: to web.example once, and never to other.example. What it says then is a secret.
func failingLater(site string) proxy.Config {
	var served atomic.Bool
	return proxy.Config{
		Rules: []proxy.Rule{{Name: "all", Dialer: dialerFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == "other.example:80" || address == "web.example:80" && served.Swap(true) {
				return nil, io.ErrUnexpectedEOF
			}
			return (&net.Dialer{}).DialContext(ctx, network, site)
		})}},
		Answer: func(string, error) proxy.Answer {
			return proxy.Answer{Status: 502, Text: "secret", Public: "in public", Page: "<!doctype html><p>in public"}
		},
	}
}

// askOther asks a Service in each way that a page of another origin has, and then leads its user there.
const askOther = `
const report = "/report";
const at = "http://web.shop.example/";
function image(path, policy) {
	return new Promise(done => {
		const e = new Image();
		e.onload = e.onerror = done;
		e.referrerPolicy = policy;
		e.src = at + path;
	});
}
function form(path) {
	return new Promise(done => {
		const frame = document.createElement("iframe"), f = document.createElement("form");
		frame.name = f.target = "frame";
		f.action = at + path;
		f.method = "POST";
		document.body.append(frame, f);
		frame.onload = done;
		f.submit();
	});
}
function frame(path) {
	return new Promise(done => {
		const f = document.createElement("iframe");
		f.onload = done;
		f.src = at + path;
		document.body.append(f);
	});
}
function socket(path) {
	return new Promise(done => {
		const s = new WebSocket("ws://web.shop.example/" + path);
		s.onclose = done;
	});
}
async function run() {
	for (const [path, options] of [
		["get", {}], ["opaque-get", {mode: "no-cors"}], ["post", {method: "POST", mode: "no-cors", body: "x"}],
		["hidden-post", {method: "POST", mode: "no-cors", referrerPolicy: "no-referrer", body: "x"}], ["put", {method: "PUT", body: "x"}],
	]) await fetch(at + path, options).catch(() => {});
	await image("image", "");
	await image("hidden-image", "no-referrer");
	await form("form");
	await frame("frame");
	await socket("socket");
	location = at + "link"; // the answer to which reports
	await new Promise(() => {});
}
`

// The Service is of the same site as the page, and of another origin.
func TestAPageOfAnotherOriginDoesNotReachAService(t *testing.T) {
	for _, c := range []struct {
		sameOrigin bool
		want       []string
	}{
		{false, []string{"GET /get", "GET /opaque-get", "POST /post", "POST /hidden-post", "OPTIONS /put", "GET /image", "GET /hidden-image", "POST /form", "GET /frame", "GET /socket", "GET /link"}},
		// A frame looks like a link that is followed, and the WebSocket is in a tunnel.
		{true, []string{"GET /hidden-image", "GET /frame", "GET /socket", "GET /link"}},
	} {
		h := newHostile(askOther)
		site := web(t, h.ServeHTTP)
		var mutex sync.Mutex
		var reached []string
		service := web(t, func(_ http.ResponseWriter, r *http.Request) {
			mutex.Lock()
			defer mutex.Unlock()
			if r.URL.Path != "/favicon.ico" {
				reached = append(reached, r.Method+" "+r.URL.Path)
			}
			if r.URL.Path == "/link" {
				h.report([]byte(`"linked"`))
			}
		})
		to := func(server string) proxy.Dialer {
			return dialerFunc(func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, server)
			})
		}
		w := open(t, proxy.Config{Rules: []proxy.Rule{
			{Name: "cluster", Match: hostIs("web.shop.example", to(service.Listener.Addr().String())), SameOrigin: c.sameOrigin},
			{Name: "outside", Match: hostIs("evil.shop.example", to(site.Listener.Addr().String()))},
		}})
		var said string
		h.browse(t, chromium("--proxy-server=http://"+w.addr), "http://evil.shop.example/", &said)
		mutex.Lock()
		if !slices.Equal(reached, c.want) {
			t.Errorf("SameOrigin %t: reached by\n %q, want\n %q", c.sameOrigin, reached, c.want)
		}
		mutex.Unlock()
	}
}
