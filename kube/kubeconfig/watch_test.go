package kubeconfig

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
)

// A watching is a watch under test.
type watching struct {
	t    *testing.T
	told chan Config
	last Config
}

// patienceInTests limits what a test waits for; an idle machine needs a second.
const patienceInTests = 30 * time.Second

// watchFiles watches until the test ends, and consumes the first notification. With polling it does without the
// system's events.
func watchFiles(t *testing.T, path string, polling bool) *watching {
	t.Helper()
	w := &watching{t: t, told: make(chan Config, 100)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		tell := func(k Config) { w.told <- k }
		if polling {
			(&watch{path: path, files: map[string]*watchedFile{}, changed: tell}).run(ctx, true)
			done <- nil
			return
		}
		done <- Watch(ctx, path, nil, tell)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Watch: %v", err)
		}
	})
	w.next()
	return w
}

func (w *watching) next() Config {
	w.t.Helper()
	select {
	case w.last = <-w.told:
	case <-time.After(patienceInTests):
		w.t.Fatalf("no notification; the last one was %v, %v", w.names(), w.last.Problems)
	}
	return w.last
}

func (w *watching) names() []string {
	var names []string
	for _, c := range w.last.Contexts {
		if c.Err == nil {
			names = append(names, c.Name)
		}
	}
	return names
}

// until waits for the usable contexts to be these.
func (w *watching) until(names ...string) {
	w.t.Helper()
	for !slices.Equal(w.names(), names) {
		w.next()
	}
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// replace writes a file as careful editors do: next to the old one, and over it by renaming.
func replace(t *testing.T, path, content string) {
	t.Helper()
	put(t, path+".new", content)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestChangesOfTheKubeconfigAreReported(t *testing.T) {
	for name, polling := range map[string]bool{"by the system": false, "by looking": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "config")
			put(t, path, one("a"))
			w := watchFiles(t, path, polling)
			w.until("a")
			put(t, path, one("b"))
			w.until("b")
			replace(t, path, one("c"))
			w.until("c")
			if err := os.Rename(path, path+".old"); err != nil {
				t.Fatal(err)
			}
			w.until()
			if len(w.last.Problems) != 1 {
				t.Errorf("problems %v", w.last.Problems)
			}
			replace(t, path, one("d"))
			w.until("d")
			// A kubectl that changes one context locks the file, reads it and writes it again.
			change := func(c *clientcmd.ClientConfigLoadingRules) {
				config, err := c.Load()
				if err != nil {
					t.Fatal(err)
				}
				config.Contexts["e"] = config.Contexts["d"].DeepCopy()
				config.Contexts["e"].LocationOfOrigin = ""
				if err := clientcmd.ModifyConfig(c, *config, true); err != nil {
					t.Fatal(err)
				}
			}
			change(loadingRules(path))
			w.until("d", "e")
		})
	}
}

func TestAContextIsTouchedOnlyIfItsOwnEntryChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	two := func(namespace, token, date string) string {
		return `
clusters:
- {name: c, cluster: {server: "https://c.example", extensions: [{name: other, extension: {last-update: ` + date + `}}]}}
users: [{name: u, user: {token: ` + token + `}}, {name: v, user: {token: t}}]
contexts:
- {name: mine, context: {cluster: c, user: u, namespace: mine}}
- {name: other, context: {cluster: c, user: v, namespace: ` + namespace + `}}
`
	}
	prints := func(content string) (mine, other string) {
		put(t, path, content)
		k := Load(path)
		return byName(t, k, "mine").Fingerprint(), byName(t, k, "other").Fingerprint()
	}
	mine, other := prints(two("one", "s3cret", "today"))
	if mine == other || mine == "" || strings.Contains(mine, "s3cret") {
		t.Errorf("fingerprints %q, %q", mine, other)
	}
	if again, changed := prints(two("two", "s3cret", "today")); again != mine || changed == other {
		t.Error("the other's namespace counts for both, or for none")
	}
	if changed, again := prints(two("one", "another", "today")); changed == mine || again != other {
		t.Error("one's token counts for both, or for none")
	}
	if again, _ := prints(two("one", "s3cret", "tomorrow")); again != mine {
		t.Error("another program's date counts")
	}
}

func TestAnEqualKubeconfigIsNotReported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	put(t, path, one("a"))
	w := watchFiles(t, path, false)
	put(t, path, one("a")+"# a remark\n")
	replace(t, path, one("a"))
	put(t, filepath.Join(filepath.Dir(path), "config.lock"), "")
	replace(t, path, one("b"))
	w.until("b") // and nothing before
	if len(w.told) > 0 {
		t.Errorf("reported %+v", <-w.told)
	}
}

// A watch does not report what was loaded before, but what has changed since then.
func TestAWatchSinceALoadReportsWhatHasChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	put(t, path, one("a"))
	since := Load(path)
	for _, name := range []string{"a", "b"} {
		put(t, path, one(name)) // before the watch begins
		told := make(chan Config, 100)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- Watch(ctx, path, &since, func(k Config) { told <- k }) }()
		if name == "a" {
			put(t, path, one("c"))
		}
		want := map[string]string{"a": "c", "b": "b"}[name]
		select {
		case k := <-told:
			if len(k.Contexts) != 1 || k.Contexts[0].Name != want {
				t.Errorf("reported %v, want %s", k.Contexts, want)
			}
		case <-time.After(patienceInTests):
			t.Errorf("%s is not reported", want)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestAHalfWrittenFileCountsAsItWas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	whole := one("a") + "- name: more\n  context: {cluster: a-cluster, user: a-user}\n"
	now := time.Now()
	f := &watchedFile{}
	put(t, path, whole)
	f.check(path, true, now)
	for what, test := range map[string]struct {
		content  string
		patience time.Duration
		counts   string // the contexts that count in the end, and what is wrong with the file
	}{
		"nothing yet":                  {"", brokenFor, "a more, it is empty; until"},
		"cut within a word":            {whole[:strings.Index(whole, "server")+3], brokenFor, "a more, line 6: not valid YAML"},
		"cut within a list":            {whole[:strings.Index(whole, "more")] + "x: [", brokenFor, "a more, line"},
		"cut at the end of a line":     {whole[:strings.Index(whole, "users")], goneFor, ""},
		"without the last entry":       {one("a"), goneFor, "a"},
		"with a line that is no sense": {whole + "\t- s3cret", brokenFor, "a more, line"},
		"an entry that is no entry":    {strings.Replace(whole, "- name: more", "- more\n- name: other", 1), brokenFor, "a more, line"},
		"of another kind":              {"kind: Deployment\nclusters: []\n", brokenFor, "a more, line"},
	} {
		put(t, path, test.content)
		if changed, wait := f.check(path, true, now); changed || wait != test.patience || said(f) != "a more" {
			t.Errorf("%s: counts at once, or in %v: %s", what, wait, said(f))
		}
		if changed, _ := f.check(path, true, now.Add(test.patience-time.Millisecond)); changed {
			t.Errorf("%s: counts too early", what)
		}
		if changed, wait := f.check(path, true, now.Add(test.patience)); !changed || wait != 0 || !strings.HasPrefix(said(f), test.counts) || strings.Contains(said(f), "s3cret") {
			t.Errorf("%s: counts as %q in the end", what, said(f))
		}
		if changed, _ := f.check(path, true, now.Add(time.Hour)); changed {
			t.Errorf("%s: counts twice", what)
		}
		put(t, path, whole)
		if changed, wait := f.check(path, true, now); !changed || wait != 0 || said(f) != "a more" {
			t.Errorf("%s: what is whole again does not count at once: %s", what, said(f))
		}
		now = now.Add(time.Minute)
	}
}

// said returns what the effective reading of a file has: the names of its contexts, and what is wrong with it.
func said(f *watchedFile) string {
	var names []string
	if f.effective.parsed != nil {
		for _, entry := range f.effective.parsed.contexts {
			names = append(names, entry.name)
		}
	}
	if text := strings.Join(names, " "); f.effective.err == nil {
		return text
	} else {
		return text + ", " + f.effective.err.Error()
	}
}

// A file that cannot be read any more keeps its content for as long as that lasts, and the error is reported. A file
// that does not exist has none.
func TestAFileThatCannotBeReadKeepsWhatItSaid(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config")
	put(t, path, one("a"))
	w := watchFiles(t, path, false)
	before := byName(t, w.last, "a").Fingerprint()
	kept := func(problem string) {
		t.Helper()
		if k := w.next(); len(k.Problems) != 1 || !strings.Contains(k.Problems[0].Error(), problem) || strings.Contains(k.Problems[0].Error(), "s3cret") ||
			!strings.HasPrefix(k.Problems[0].Error(), path) || !strings.Contains(k.Problems[0].Error(), "what it said before holds") {
			t.Errorf("problems %v, want %q", k.Problems, problem)
		}
		if !slices.Equal(w.names(), []string{"a"}) || byName(t, w.last, "a").Fingerprint() != before {
			t.Errorf("contexts %v, or others than before", w.names())
		}
	}
	put(t, path, one("a")+"\t- s3cret")
	kept("not valid YAML")
	put(t, path, "") // in another way
	kept("it is empty")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	kept("is a directory")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	put(t, path, one("b"))
	w.until("b")
	if len(w.last.Problems) != 0 {
		t.Errorf("problems %v", w.last.Problems)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w.until()
}

// An editor or a tool that moves a file away to write it again removes nothing.
func TestAFileThatIsAwayForTwoSecondsIsNotGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	now := time.Now()
	f := &watchedFile{}
	put(t, path, one("a"))
	f.check(path, true, now)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if changed, wait := f.check(path, true, now); changed || wait != awayFor {
		t.Errorf("it counts at once, or in %s", wait)
	}
	if changed, _ := f.check(path, false, now.Add(2*time.Second)); changed {
		t.Error("it counts as gone after two seconds")
	}
	put(t, path, one("a"))
	if changed, _ := f.check(path, true, now.Add(2*time.Second)); changed || said(f) != "a" {
		t.Error("its return is a change")
	}
}

func TestFilesAndFoldersThatComeLater(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "home", ".kube", "config")
	w := watchFiles(t, path, false)
	if len(w.last.Problems) != 1 {
		t.Errorf("problems %v", w.last.Problems)
	}
	put(t, path, one("a"))
	w.until("a")
	// The folder is moved away, and another one takes its name.
	if err := os.Rename(filepath.Dir(path), filepath.Join(dir, "away")); err != nil {
		t.Fatal(err)
	}
	w.until()
	put(t, path, one("b"))
	w.until("b")
	replace(t, path, one("c"))
	w.until("c")
}

func TestLinksAreFollowed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := func(to, at string) {
		t.Helper()
		if err := os.Symlink(to, at+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(at+".new", at); err != nil {
			t.Fatal(err)
		}
	}
	// The layout of a mounted Secret: config → ..data/config, ..data → a folder with a date.
	put(t, filepath.Join(dir, "secret", "..1", "config"), one("a"))
	put(t, filepath.Join(dir, "secret", "..2", "config"), one("b"))
	link("..1", filepath.Join(dir, "secret", "..data"))
	link("..data/config", filepath.Join(dir, "secret", "config"))
	link("secret/config", filepath.Join(dir, "mine"))
	w := watchFiles(t, filepath.Join(dir, "mine"), false)
	w.until("a")
	link("..2", filepath.Join(dir, "secret", "..data"))
	w.until("b")
	replace(t, filepath.Join(dir, "secret", "..2", "config"), one("c"))
	w.until("c")
	link("nowhere", filepath.Join(dir, "mine"))
	w.until()
	put(t, filepath.Join(dir, "nowhere"), one("d"))
	w.until("d")
	link("mine", filepath.Join(dir, "mine")) // which cannot be read
	if k := w.next(); len(k.Problems) != 1 || !slices.Equal(w.names(), []string{"d"}) {
		t.Errorf("contexts %v, problems %v", w.names(), k.Problems)
	}
}

func TestOneOfSeveralFilesChanges(t *testing.T) {
	paths := write(t, one("a"), one("b"))
	t.Setenv("KUBECONFIG", strings.Join(append(paths, filepath.Join(t.TempDir(), "none", "yet")), string(os.PathListSeparator)))
	w := watchFiles(t, "", false)
	w.until("a", "b")
	before := byName(t, w.last, "a").Fingerprint()
	put(t, paths[1], one("c"))
	w.until("a", "c")
	if byName(t, w.last, "a").Fingerprint() != before {
		t.Error("a context changed with another's file")
	}
	if err := os.Remove(paths[0]); err != nil {
		t.Fatal(err)
	}
	w.until("c")
	if len(w.last.Problems) > 0 {
		t.Errorf("problems %v", w.last.Problems)
	}
}

// A file that keeps a context from being used is watched, so that the context can be used once it exists.
func TestWatchSeesTheFileThatAContextLacks(t *testing.T) {
	for name, polling := range map[string]bool{"told": false, "polling": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, token := filepath.Join(dir, "config"), filepath.Join(dir, "secrets", "token")
			lacking := strings.Replace(one("a"), "token: s3cret-a", "tokenFile: "+token, 1)
			if err := os.WriteFile(path, []byte(lacking), 0o600); err != nil {
				t.Fatal(err)
			}
			w := watchFiles(t, path, polling)
			if w.last.Contexts[0].Err == nil {
				t.Fatal("a context without its token file can be used")
			}
			if err := os.Mkdir(filepath.Dir(token), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(token, []byte("t"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := w.next().Contexts[0].Err; err != nil {
				t.Error(err)
			}
		})
	}
}
