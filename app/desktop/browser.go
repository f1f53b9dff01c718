package desktop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Browser is a web browser on this machine.
type Browser struct {
	ID    string // "chromium"
	Title string // "Chromium"
	Path  string // of its executable
	gecko bool   // uses Firefox's profile and arguments, not Chromium's
}

// A Window describes the browser window to open.
type Window struct {
	PAC   string // the URL of a PAC file; if empty, everything goes through Proxy
	Proxy string // host:port of an HTTP proxy, for a window without a PAC file
	URL   string // the page, an http or https URL
}

// Browsers are the browser windows of this program, each with a temporary profile of its own. The zero value is ready
// to use.
type Browsers struct {
	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
	windows map[*exec.Cmd]struct{}
}

// FindBrowsers returns the browsers that Open can start, Chromium and its derivatives first. preferred is the name or
// the path of one of them, or of another browser with the same arguments, which then comes first; it may be empty.
// FindBrowsers reads directories and starts nothing.
func FindBrowsers(preferred string) []Browser {
	var found []Browser
	if filepath.IsAbs(preferred) {
		name := filepath.Base(preferred)
		found = append(found, Browser{ID: "preferred", Title: name, Path: preferred, gecko: strings.Contains(strings.ToLower(name), "firefox")})
	}
	for _, kind := range browserKinds {
		for _, name := range kind.programs {
			if path, ok := findProgram(name); ok {
				found = append(found, Browser{ID: kind.id, Title: kind.title, Path: path, gecko: kind.gecko})
				break
			}
		}
	}
	slices.SortStableFunc(found, func(a, b Browser) int { return rank(a, preferred) - rank(b, preferred) })
	return found
}

// rank returns 0 for the preferred browser and 1 for all others.
func rank(b Browser, preferred string) int {
	if b.Is(preferred) {
		return 0
	}
	return 1
}

// Is reports whether name refers to b: by its ID, its title, its path or the last element of the path.
func (b Browser) Is(name string) bool {
	return slices.ContainsFunc([]string{b.ID, b.Title, b.Path, filepath.Base(b.Path)}, func(own string) bool {
		return strings.EqualFold(own, name)
	})
}

// startTime is how long Open watches a new browser. One that cannot run ends at once.
const startTime = 2 * time.Second

// closeTime is how long Close waits for windows to close before it kills the browsers.
const closeTime = 3 * time.Second

// Open opens a browser window that uses only this proxy, with a new profile, no first-run pages, and the browser's own
// sandbox. It returns when the browser has run for some seconds, or has ended with an error. The profile is removed
// when the window is closed. ctx bounds only the start.
func (b *Browsers) Open(ctx context.Context, browser Browser, w Window) error {
	if u, err := url.Parse(w.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("open %q in %s: it is not a web page", w.URL, browser.Title)
	}
	profile, err := profileFolder(browser)
	if err == nil {
		profile, err = os.MkdirTemp(profile, "fairlead-browser-")
	}
	if err != nil {
		return fmt.Errorf("make a profile for %s: %w", browser.Title, err)
	}
	cmd, err := command(browser, profile, w)
	if err != nil {
		return errors.Join(fmt.Errorf("make a profile for %s: %w", browser.Title, err), os.RemoveAll(profile))
	}
	said := &tail{}
	cmd.Stderr, cmd.Env = said, windowEnvironment()
	cmd.WaitDelay = time.Second // do not wait for a helper process that keeps the output open
	inOwnGroup(cmd)
	ended, err := b.start(cmd, profile)
	if err != nil {
		return fmt.Errorf("start %s: %w", browser.Title, err)
	}
	select {
	case err := <-ended:
		if err != nil && os.Geteuid() == 0 && said.contains("as root") {
			return fmt.Errorf("%s does not run as root, because its sandbox would be useless: run Fairlead as an ordinary user, "+
				"or name another browser in the settings (browser: firefox)", browser.Title)
		}
		if err != nil && runtime.GOOS == "linux" && os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
			return fmt.Errorf("%s did not start, because Fairlead runs without a desktop: neither WAYLAND_DISPLAY nor DISPLAY is set", browser.Title)
		}
		if err != nil {
			return fmt.Errorf("%s did not start: %w%s", browser.Title, err, said)
		}
	case <-time.After(startTime):
	case <-ctx.Done():
	}
	return nil
}

// start runs a browser, and removes its profile when it has ended.
func (b *Browsers) start(cmd *exec.Cmd, profile string) (<-chan error, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := errors.New("the program is ending")
	if !b.closed {
		err = cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(profile))
	}
	if b.windows == nil {
		b.windows = map[*exec.Cmd]struct{}{}
	}
	b.windows[cmd] = struct{}{}
	ended := make(chan error, 1)
	b.running.Go(func() {
		err := cmd.Wait()
		endGroup(cmd, true) // remaining processes would write to the profile again
		removeProfile(profile)
		b.mu.Lock()
		delete(b.windows, cmd)
		b.mu.Unlock()
		ended <- err
	})
	return ended, nil
}

// removeProfile retries for a moment, because the last of a browser's processes may still write.
func removeProfile(profile string) {
	for range 20 {
		if os.RemoveAll(profile) == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Close closes all windows and removes their profiles. After it Open fails.
func (b *Browsers) Close() error {
	b.end(false)
	gone := make(chan struct{})
	go func() { b.running.Wait(); close(gone) }()
	select {
	case <-gone:
	case <-time.After(closeTime):
		b.end(true)
		<-gone
	}
	return nil
}

func (b *Browsers) end(now bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for cmd := range b.windows {
		endGroup(cmd, now)
	}
}

// command returns the command line of a browser, and writes its profile.
func command(browser Browser, profile string, w Window) (*exec.Cmd, error) {
	if browser.gecko {
		if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(preferences(w)), 0o600); err != nil {
			return nil, err
		}
		return exec.Command(browser.Path, "--no-remote", "--new-instance", "--profile", profile, w.URL), nil
	}
	proxy := "--proxy-pac-url=" + w.PAC
	if w.PAC == "" {
		proxy = "--proxy-server=http://" + w.Proxy
	}
	return exec.Command(browser.Path, "--user-data-dir="+profile, proxy,
		"--no-first-run", "--no-default-browser-check", "--disable-sync", "--disable-background-networking", "--disable-component-update",
		"--disable-quic", "--password-store=basic", "--new-window", w.URL), nil
}

// tail keeps the end of a program's output.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-4096):]
	return len(p), nil
}

func (t *tail) contains(text string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Contains(t.text, []byte(text))
}

// String returns the last line after a colon, or "".
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(t.text), []byte("\n"))
	last := strings.ToValidUTF8(string(lines[len(lines)-1]), "?")
	if last == "" {
		return ""
	}
	return ": " + last[:min(len(last), 200)]
}
