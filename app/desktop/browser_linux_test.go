package desktop_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"fairlead/app/desktop"
)

// nobody is an ordinary user. Browsers do not run as root with their sandbox on.
const nobody = 65534

// asUser makes this test binary a program that opens a browser. Its value has the browser's ID, PAC, proxy and URL, one
// per line.
const asUser = "DESKTOP_TEST_BROWSER"

// TestOpenAsUser is not a test but the program that the tests below run as an ordinary user. It closes the browser when
// its input ends.
func TestOpenAsUser(t *testing.T) {
	order := strings.Split(os.Getenv(asUser), "\n")
	if len(order) != 4 {
		return
	}
	all := desktop.FindBrowsers("")
	at := slices.IndexFunc(all, func(b desktop.Browser) bool { return b.ID == order[0] })
	if at < 0 {
		t.Fatalf("no %s among %v", order[0], all)
	}
	var browsers desktop.Browsers
	if err := browsers.Open(t.Context(), all[at], desktop.Window{PAC: order[1], Proxy: order[2], URL: order[3]}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(os.Stdin); err != nil {
		t.Fatal(err)
	}
	if err := browsers.Close(); err != nil {
		t.Fatal(err)
	}
}

// internet is a proxy that responds for every host, and records the requests.
type internet struct {
	mutex sync.Mutex
	asked []string
}

func (i *internet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mutex.Lock()
	i.asked = append(i.asked, r.Method+" "+r.URL.String())
	i.mutex.Unlock()
	if r.URL.Path == "/proxy.pac" {
		w.Header().Set("Content-Type", "application/x-ns-proxy-autoconfig")
		fmt.Fprintf(w, "function FindProxyForURL(url, host) { return 'PROXY %s'; }", r.Host)
		return
	}
	fmt.Fprint(w, "<h1>hello</h1>")
}

func (i *internet) wasAsked(what string) bool {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	return slices.Contains(i.asked, what)
}

func TestABrowserOpensInTheClusterAsAnOrdinaryUser(t *testing.T) {
	for id, program := range map[string]string{"chromium": "chromium", "firefox": "firefox-esr"} {
		t.Run(id, func(t *testing.T) {
			need(t, program, program)
			startX(t)
			for name, pac := range map[string]bool{"with a PAC file": true, "with a proxy": false} {
				t.Run(name, func(t *testing.T) { openAsUser(t, id, pac) })
			}
		})
	}
}

func openAsUser(t *testing.T, id string, pac bool) {
	proxy := &internet{}
	server := httptest.NewServer(proxy)
	defer server.Close()
	home, binary := homeOfUser(t)
	const page = "http://hello.default.svc.cluster.local/page"
	order := []string{id, "", strings.TrimPrefix(server.URL, "http://"), page}
	if pac {
		order[1] = server.URL + "/proxy.pac"
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*within)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "-test.run=^TestOpenAsUser$")
	cmd.Env = []string{asUser + "=" + strings.Join(order, "\n"), "PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "DISPLAY=" + os.Getenv("DISPLAY"), "LANG=C.UTF-8"}
	cmd.Dir = home
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	closeBrowser, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the page is asked for through the proxy", func() bool { return proxy.wasAsked("GET " + page) })
	if pac && !proxy.wasAsked("GET /proxy.pac") {
		t.Error("the PAC file was not asked for")
	}
	profiles := func() []string {
		found, err := filepath.Glob(filepath.Join(home, "fairlead-browser-*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if len(profiles()) != 1 {
		t.Errorf("profiles while it runs: %q", profiles())
	}
	closeBrowser.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if len(profiles()) != 0 {
		t.Errorf("profiles after it: %q", profiles())
	}
}

// homeOfUser creates a home for an ordinary user, with a copy of this test's program that the user may run.
func homeOfUser(t *testing.T) (home, binary string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "browser")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	home, binary = filepath.Join(dir, "home"), filepath.Join(dir, "program")
	text, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{os.Chmod(dir, 0o755), os.WriteFile(binary, text, 0o755), os.Mkdir(home, 0o700)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if os.Getuid() == 0 {
		if err := os.Chown(home, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	return home, binary
}

func TestABrowserThatCannotRunSaysWhy(t *testing.T) {
	noLeaks(t)
	t.Setenv("DISPLAY", ":9")
	dir := script(t, "chromium", "echo 'first line' >&2; echo 'Missing X server' >&2; exit 1")
	t.Setenv("TMPDIR", t.TempDir())
	found := desktop.FindBrowsers("")
	if len(found) == 0 || found[0] != (desktop.Browser{ID: "chromium", Title: "Chromium", Path: dir + "/chromium"}) {
		t.Fatalf("found %v", found)
	}
	var browsers desktop.Browsers
	defer browsers.Close()
	err := browsers.Open(t.Context(), found[0], desktop.Window{Proxy: "127.0.0.1:1080", URL: "http://hello/"})
	if err == nil || !strings.Contains(err.Error(), "Chromium did not start") || !strings.HasSuffix(err.Error(), "Missing X server") {
		t.Errorf("%v", err)
	}
	t.Setenv("DISPLAY", "")
	t.Setenv("WAYLAND_DISPLAY", "")
	err = browsers.Open(t.Context(), found[0], desktop.Window{Proxy: "127.0.0.1:1080", URL: "http://hello/"})
	if err == nil || !strings.Contains(err.Error(), "without a desktop") {
		t.Errorf("%v", err)
	}
	for _, url := range []string{"file:///etc/passwd", "javascript:alert(1)", "--no-sandbox", "http:///", ""} {
		if err := browsers.Open(t.Context(), found[0], desktop.Window{URL: url}); err == nil || !strings.Contains(err.Error(), "not a web page") {
			t.Errorf("%q: %v", url, err)
		}
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// This test runs the real Chromium as root.
func TestAsRootTheErrorSaysWhyABrowserDoesNotRun(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test wants to be root")
	}
	need(t, "chromium", "chromium")
	startX(t)
	t.Setenv("HOME", t.TempDir()) // where it keeps its crash reports
	var browsers desktop.Browsers
	defer browsers.Close()
	err := browsers.Open(t.Context(), desktop.FindBrowsers("")[0], desktop.Window{Proxy: "127.0.0.1:1080", URL: "http://hello/"})
	if err == nil || !strings.HasPrefix(err.Error(), "Chromium does not run as root") {
		t.Errorf("%v", err)
	}
}

// Confined browsers can write only to a directory of their own. The programs here replace them, and record their
// arguments.
func TestAConfinedBrowserGetsAProfileItCanWriteTo(t *testing.T) {
	noLeaks(t)
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("TMPDIR", t.TempDir())
	const tell = "echo \"$@\" > \"$HOME/told\"\n"
	snap := script(t, "snap", tell)
	if err := os.Symlink(snap+"/snap", snap+"/chromium"); err != nil {
		t.Fatal(err)
	}
	ubuntu := script(t, "firefox", "if [ -x /none ]; then\n  exec /snap/bin/firefox \"$@\"\nfi\n"+tell)
	flatpak := filepath.Join(home, ".local/share/flatpak/exports/bin")
	if err := os.MkdirAll(flatpak, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(script(t, "plain", tell)+"/plain", flatpak+"/com.brave.Browser"); err != nil {
		t.Fatal(err)
	}
	plain := script(t, "google-chrome", tell)
	t.Setenv("PATH", strings.Join([]string{snap, ubuntu, plain}, ":"))
	for id, folder := range map[string]string{
		"chromium": home + "/snap/chromium/common", "firefox": home + "/snap/firefox/common",
		"brave": home + "/.var/app/com.brave.Browser/cache", "chrome": os.Getenv("TMPDIR"),
	} {
		found := desktop.FindBrowsers(id)
		if found[0].ID != id {
			t.Fatalf("%s is not among %v", id, found)
		}
		var browsers desktop.Browsers
		if err := browsers.Open(t.Context(), found[0], desktop.Window{Proxy: "127.0.0.1:1080", URL: "http://hello/"}); err != nil {
			t.Error(err)
		}
		if told, err := os.ReadFile(home + "/told"); err != nil || !strings.Contains(string(told), folder+"/fairlead-browser-") {
			t.Errorf("%s: %s, %v; want a profile in %s", id, told, err, folder)
		}
		if err := browsers.Close(); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
			t.Errorf("%s leaves %v, %v", id, left, err)
		}
	}
}

func TestABrowserGetsNoCredentialsOfOurs(t *testing.T) {
	noLeaks(t)
	told := filepath.Join(surroundings(t), "told")
	script(t, "chromium", `env > "$HOME/told"`)
	var browsers desktop.Browsers
	if err := browsers.Open(t.Context(), desktop.FindBrowsers("")[0], desktop.Window{Proxy: "127.0.0.1:1080", URL: "http://hello/"}); err != nil {
		t.Error(err)
	}
	checkSurroundings(t, told)
	if err := browsers.Close(); err != nil {
		t.Error(err)
	}
}

func TestClosingEndsABrowserThatDoesNotWantTo(t *testing.T) {
	noLeaks(t)
	script(t, "chromium", "trap '' TERM; sleep 1000 & wait; sleep 1000")
	t.Setenv("TMPDIR", t.TempDir())
	var browsers desktop.Browsers
	if err := browsers.Open(t.Context(), desktop.FindBrowsers("")[0], desktop.Window{Proxy: "127.0.0.1:1080", URL: "http://hello/"}); err != nil {
		t.Fatal(err)
	}
	if err := browsers.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if err := browsers.Open(t.Context(), desktop.FindBrowsers("")[0], desktop.Window{URL: "http://hello/"}); err == nil {
		t.Error("opened after the end")
	}
}

func TestThePreferredBrowserStandsFirst(t *testing.T) {
	dir := script(t, "chromium", "")
	for _, name := range []string{"firefox", "brave-browser"} {
		if err := os.Symlink(dir+"/chromium", dir+"/"+name); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	for preferred, want := range map[string]string{
		"": "Chromium Brave Firefox", "Brave": "Brave Chromium Firefox", "brave-browser": "Brave Chromium Firefox", "firefox": "Firefox Chromium Brave",
		"/opt/iron": "iron Chromium Brave Firefox", "netscape": "Chromium Brave Firefox",
	} {
		var titles []string
		for _, b := range desktop.FindBrowsers(preferred) {
			if filepath.Dir(b.Path) == dir || b.Path == preferred { // this machine may have other browsers
				titles = append(titles, b.Title)
			}
		}
		if got := strings.Join(titles, " "); got != want {
			t.Errorf("preferred %q: %s, want %s", preferred, got, want)
		}
	}
}
