// Package filewatch reports when files may have changed: written to, replaced by renaming, reached by another symbolic
// link, or made in a folder that did not exist before. It does not depend on what is in them, nor on when a change
// counts; that is up to Look.
package filewatch

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// How long a Watcher waits.
const (
	settleTime     = 100 * time.Millisecond // after an event, for others of the same change
	maxSettleTime  = 500 * time.Millisecond // in all, if events do not end
	pollInterval   = time.Second            // if the system does not report changes
	safetyInterval = 30 * time.Second       // if it does
)

// A Watcher watches some files. The files need not exist yet, nor their folders, and may be symbolic links.
//
// If the system reports changes this costs nothing but a look twice a minute; on network file systems, and if the
// system has no watches left, the files are checked every second.
type Watcher struct {
	// Files returns the paths. It is called before every look.
	Files func() []string
	// Look reads what may have changed. It is called at once, and then after an event about one of the files, or
	// without an event after some time: then only files whose dates have changed need to be read. It returns the time
	// after which it wants to be called again even without an event; 0 leaves that to the Watcher.
	Look func(event bool) (again time.Duration)
	// Poll does without the system's events.
	Poll bool
}

// Run watches until ctx ends. It calls Files and Look from its own goroutine.
func (c Watcher) Run(ctx context.Context) {
	w := &watch{Watcher: c, folders: folders{}}
	if !c.Poll {
		// Without a notifier the files are polled.
		if notifier, err := fsnotify.NewWatcher(); err == nil {
			w.notifier = notifier
			defer func() { _ = notifier.Close() }()
		}
	}
	w.run(ctx)
}

// A watch is one Run. Its goroutine owns it.
type watch struct {
	Watcher
	notifier   *fsnotify.Watcher // nil if there is none
	folders    folders
	interest   map[string]bool // paths whose events may matter
	unnotified bool            // the system does not report the changes of some file
}

func (w *watch) run(ctx context.Context) {
	var events chan fsnotify.Event
	var errs chan error
	if w.notifier != nil {
		events, errs = w.notifier.Events, w.notifier.Errors
	}
	var first time.Time // of the events since the last look; zero if there is none
	timer := time.NewTimer(w.check(true))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-events:
			if !w.concerns(event) {
				continue
			}
			if first.IsZero() {
				first = time.Now()
			}
			timer.Reset(min(settleTime, max(0, maxSettleTime-time.Since(first))))
		case <-errs:
			// Some events were lost.
			first = time.Now()
			timer.Reset(settleTime)
		case <-timer.C:
			timer.Reset(w.check(!first.IsZero()))
			first = time.Time{}
		}
	}
}

// concerns reports whether an event may be about one of the files, and forgets a folder that is gone.
func (w *watch) concerns(event fsnotify.Event) bool {
	name := filepath.Clean(event.Name)
	if w.folders.has(name) && event.Has(fsnotify.Remove|fsnotify.Rename) {
		w.folders.forget(w.notifier, name)
		return true
	}
	return w.interest[name]
}

// check calls Look, and returns when to call it again.
func (w *watch) check(event bool) (again time.Duration) {
	w.watchFolders(w.Files())
	again = safetyInterval
	if w.unnotified {
		again = pollInterval
	}
	if wish := w.Look(event); wish > 0 {
		again = min(again, wish)
	}
	return again
}

// watchFolders watches the folders that the files are in, and those of the symbolic links that lead to them. If that
// takes new watches it repeats that: a folder may have been made before the one above it was watched.
func (w *watch) watchFolders(files []string) {
	for range maxLinks {
		w.interest = map[string]bool{}
		wanted := map[string]bool{}
		w.unnotified = w.notifier == nil
		for _, file := range files {
			if file == "" {
				continue
			}
			for _, path := range affectingPaths(file) {
				w.interest[path] = true
				wanted[filepath.Dir(path)] = true
				w.unnotified = w.unnotified || isRemote(filepath.Dir(path))
			}
		}
		if w.notifier == nil {
			return
		}
		added, all := w.folders.update(w.notifier, wanted)
		w.unnotified = w.unnotified || !all
		if !added {
			return
		}
	}
}
