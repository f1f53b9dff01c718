package filewatch

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience limits what a test waits for; an idle machine needs a second.
const patience = 30 * time.Second

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLookIsCalledAtOnceAndWhenTheFileChanges(t *testing.T) {
	for name, poll := range map[string]bool{"told": false, "polled": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "later", "file")
			ctx, cancel := context.WithCancel(t.Context())
			seen, over := make(chan string, 100), make(chan struct{})
			go func() {
				defer close(over)
				last := "nothing"
				Watcher{Files: func() []string { return []string{file} }, Poll: poll, Look: func(bool) time.Duration {
					text, _ := os.ReadFile(file)
					if string(text) != last {
						last = string(text)
						seen <- last
					}
					return 0
				}}.Run(ctx)
			}()
			wait := func(want string) {
				t.Helper()
				for {
					select {
					case got := <-seen:
						if got == want {
							return
						}
					case <-time.After(patience):
						t.Fatalf("%q was not seen", want)
					}
				}
			}
			wait("")
			put(t, file, "one") // and its folder
			wait("one")
			put(t, file+".new", "two")
			if err := os.Rename(file+".new", file); err != nil {
				t.Fatal(err)
			}
			wait("two")
			if err := os.RemoveAll(filepath.Dir(file)); err != nil {
				t.Fatal(err)
			}
			wait("")
			cancel()
			<-over
		})
	}
}

func TestLookCanAskForAnEarlierCall(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	looks := 0
	file := filepath.Join(t.TempDir(), "file")
	Watcher{Files: func() []string { return []string{file} }, Look: func(event bool) time.Duration {
		if looks++; looks == 3 {
			cancel()
		} else if looks > 1 && event {
			t.Error("an event though nothing happened")
		}
		return time.Millisecond
	}}.Run(ctx)
	if looks != 3 {
		t.Errorf("%d looks", looks)
	}
}

// If the system has no watches left, the files are polled.
func TestFoldersThatCannotBeWatchedArePolled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	put(t, path, "a")
	notifier, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	if err := notifier.Close(); err != nil { // so that it accepts no folder
		t.Fatal(err)
	}
	w := &watch{notifier: notifier, folders: folders{}, Watcher: Watcher{
		Files: func() []string { return []string{path} }, Look: func(bool) time.Duration { return 0 },
	}}
	if again := w.check(true); again != pollInterval {
		t.Errorf("looks again in %v", again)
	}
}
