package kube

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// A watchedFile is one kubeconfig file over time: what it counts as, which is what was last read of it, or what it was
// before it became worse a moment ago.
type watchedFile struct {
	seen   fs.FileInfo // of the last reading; nil when the file was not there
	latest content
	counts content
	since  time.Time // when latest became worse than counts; zero while they are the same
	read   bool
}

// A content is what reading a file gave.
type content struct {
	data []byte
	err  error
}

// look reads the file if there was an event or its date has changed. It says whether what the file counts as is another
// now, or else how long to wait before what it has become counts.
func (f *watchedFile) look(file string, event bool, now time.Time) (changed bool, wait time.Duration) {
	info, err := os.Stat(file)
	if err != nil {
		info = nil
	}
	if event || !f.read || !sameFile(info, f.seen) {
		f.seen = info
		data, err := readBounded(file)
		f.latest = content{data, err}
	}
	if f.read && f.latest.same(f.counts) {
		f.since = time.Time{}
		return false, 0
	}
	if f.read {
		if f.since.IsZero() {
			f.since = now
		}
		if wait = f.since.Add(f.latest.patience(f.counts)).Sub(now); wait > 0 {
			return false, wait
		}
	}
	f.read, f.counts, f.since = true, f.latest, time.Time{}
	return true, 0
}

func sameFile(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func (c content) same(other content) bool {
	return bytes.Equal(c.data, other.data) && fmt.Sprint(c.err) == fmt.Sprint(other.err)
}

// none tells whether there is no file, or nothing in it.
func (c content) none() bool {
	return errors.Is(c.err, fs.ErrNotExist) || c.err == nil && len(bytes.TrimSpace(c.data)) == 0
}

// patience is how long c has to last before it counts in place of before. What is whole and takes nothing away counts
// at once, and so does what follows on something that was broken already.
func (c content) patience(before content) time.Duration {
	if before.err != nil && !before.none() {
		return 0
	}
	old := parseKubeconfig(before.data)
	p := parseKubeconfig(c.data)
	switch {
	case !old.whole():
		return 0
	case c.none() && before.none():
		return 0
	case c.none():
		return goneFor
	case c.err != nil || !p.whole():
		return brokenFor
	case p.lacks(old):
		return goneFor
	}
	return 0
}

// whole tells whether everything in a file could be understood.
func (p *parsed) whole() bool { return len(p.errs) == 0 && len(p.broken) == 0 && !p.hasBrokenContext() }

// lacks tells whether an entry of before is gone. A file that is cut off at the end of a line may be valid.
func (p *parsed) lacks(before parsed) bool {
	for name := range before.config.Contexts {
		if p.config.Contexts[name] == nil {
			return true
		}
	}
	for name := range before.config.Clusters {
		if p.config.Clusters[name] == nil {
			return true
		}
	}
	for name := range before.config.AuthInfos {
		if p.config.AuthInfos[name] == nil {
			return true
		}
	}
	return false
}
