// Package filewatch tells when files may have become others: written to, replaced by renaming, reached by another link, or made in a
// folder that was not there before. It knows neither what is in them nor when a change counts; that is Look's.
package filewatch

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// How long a Watcher waits.
const (
	settleTime     = 100 * time.Millisecond // after an event, for the ones that belong to it
	maxSettleTime  = 500 * time.Millisecond // in all, where events do not end
	pollInterval   = time.Second            // where changes are not told by the system
	safetyInterval = 30 * time.Second       // where they are
)

// A Watcher looks after some files. The files need not be there yet, nor their folders, and may be links.
//
// Where the system tells of changes this costs nothing but a look twice a minute; on network file systems, and where the system has no
// watches left, the files are looked at every second.
type Watcher struct {
	// Files are the paths. It is asked before every look.
	Files func() []string
	// Look reads what may have changed. It is called at once, and then when an event tells that one of the files may be another, or
	// without an event when time has passed: then only files whose dates changed need to be read. It returns how soon it wants to be
	// called again at the latest, without an event; 0 leaves that to the Watcher.
	Look func(event bool) (again time.Duration)
	// Poll does without the system's help.
	Poll bool
}

// Run watches until ctx ends. It calls Files and Look from its own goroutine.
func (c Watcher) Run(ctx context.Context) {
	w := &watch{Watcher: c, folders: folders{}}
	if !c.Poll {
		// Without it the files are polled.
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
	notifier   *fsnotify.Watcher // nil: there is none
	folders    folders
	interest   map[string]bool // paths whose events may matter
	unnotified bool            // some file's changes are not told
}

func (w *watch) run(ctx context.Context) {
	var events chan fsnotify.Event
	var errs chan error
	if w.notifier != nil {
		events, errs = w.notifier.Events, w.notifier.Errors
	}
	var first time.Time // of the events that wait to be looked into; zero when none does
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

// concerns tells whether an event may be about one of the files, and takes note of a folder that is no more.
func (w *watch) concerns(event fsnotify.Event) bool {
	name := filepath.Clean(event.Name)
	if w.folders.has(name) && event.Has(fsnotify.Remove|fsnotify.Rename) {
		w.folders.forget(w.notifier, name)
		return true
	}
	return w.interest[name]
}

// check looks once, and says when to look again.
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

// watchFolders watches the folders that the files are in, and those of the links on the way to them. It looks twice where
// that takes new watches: a folder may have been made before the one above it was watched.
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
