package kubeconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"fairlead/proxy/safetext"
)

// A watchedFile is one kubeconfig file over time: what it counts as, which is what was last read of it, or what it said
// before it became worse.
type watchedFile struct {
	seen      fs.FileInfo // of the last reading; nil when the file was not there
	latest    reading     // the last one
	decided   content     // of the reading that was the latest when counts was last decided about
	effective reading
	since     time.Time // when latest became worse than taken; zero while they are the same
	read      bool
}

// A content is what reading a file gave.
type content struct {
	data []byte
	err  error
}

// check reads the file if there was an event or its date has changed. It says whether what the file counts as is another
// now, or else how long to wait before what it has become counts.
func (f *watchedFile) check(file string, event bool, now time.Time) (changed bool, wait time.Duration) {
	info, err := os.Stat(file)
	if err != nil {
		info = nil
	}
	if event || !f.read || !SameFile(info, f.seen) {
		f.seen = info
		data, err := ReadBounded(file)
		f.setLatest(file, content{data, err})
	}
	if f.read && f.latest.from.equal(f.decided) {
		f.since = time.Time{}
		return false, 0
	}
	if f.read {
		if f.since.IsZero() {
			f.since = now
		}
		if wait = f.since.Add(f.requiredAge()).Sub(now); wait > 0 {
			return false, wait
		}
	}
	f.effective = f.nextEffective()
	f.read, f.decided, f.since = true, f.latest.from, time.Time{}
	return true, 0
}

// setLatest makes a content the latest. It is parsed here, once.
func (f *watchedFile) setLatest(file string, latest content) {
	if !f.read || !latest.equal(f.latest.from) {
		f.latest = parseFile(latest, file)
	}
}

func SameFile(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func (c content) equal(other content) bool {
	return bytes.Equal(c.data, other.data) && fmt.Sprint(c.err) == fmt.Sprint(other.err)
}

// errEmpty is why a file without content, as one has that a program has only begun to write, does not count.
var errEmpty = errors.New("it is empty")

// unreadable returns why the latest content says nothing of the entries that the file had before, nil if it does: it
// cannot be read or understood, or not as a whole, and lacks some of them, as a file that is half-written or cut off does.
// A file that is not there is not unreadable.
func (f *watchedFile) unreadable() error {
	before := f.effective.parsed
	switch {
	case before == nil || before.isEmpty() || f.latest.from.isMissing():
		return nil
	case f.latest.err != nil:
		return f.latest.err
	case len(bytes.TrimSpace(f.latest.from.data)) == 0:
		return errEmpty
	case f.latest.parsed.lacks(before):
		return f.latest.parsed.firstError()
	}
	return nil
}

func (c content) isMissing() bool { return errors.Is(c.err, fs.ErrNotExist) }

// nextEffective is what the file counts as from now on.
func (f *watchedFile) nextEffective() reading {
	if err := f.unreadable(); err != nil {
		return reading{parsed: f.effective.parsed, err: fmt.Errorf("%w; until it can be read, what it said before holds", err)}
	}
	latest := f.latest
	before := f.effective.parsed
	latest.gone = latest.from.isMissing() && (f.effective.gone || before != nil && !before.isEmpty())
	return latest
}

// requiredAge is how long the latest content has to last before it counts. What is whole and takes nothing away counts at
// once, and so does what follows on something that was broken already.
func (f *watchedFile) requiredAge() time.Duration {
	before := f.effective.parsed
	switch {
	case before == nil:
		return 0
	case f.latest.from.isMissing():
		return awayFor
	case f.unreadable() != nil && f.effective.err != nil:
		return 0 // as unreadable as before, for another reason
	case f.unreadable() != nil:
		return brokenFor
	case f.latest.err != nil:
		return 0 // there was nothing to lose
	case before.firstError() == nil && f.latest.parsed.firstError() != nil:
		return brokenFor
	case f.latest.parsed.lacks(before):
		return goneFor
	}
	return 0
}

// firstError returns the first reason why something in a file could not be understood, nil when everything could.
func (p *parsed) firstError() error {
	if len(p.errs) > 0 {
		return p.errs[0]
	}
	for _, entry := range p.contexts {
		if entry.err != nil {
			return fmt.Errorf("context %q: %w", safetext.Clean(entry.name), entry.err)
		}
	}
	var first error
	for key, err := range p.broken {
		err = fmt.Errorf("%s %q: %w", singular(key.list), safetext.Clean(key.name), err)
		if first == nil || err.Error() < first.Error() {
			first = err
		}
	}
	return first
}

func (p *parsed) isEmpty() bool {
	return len(p.contexts) == 0 && len(p.config.Clusters) == 0 && len(p.config.AuthInfos) == 0
}

// lacks tells whether an entry of before is gone; one that is there and cannot be understood is not. A file that is cut
// off at the end of a line may be valid.
func (p *parsed) lacks(before *parsed) bool {
	contexts := map[string]bool{}
	for _, entry := range p.contexts {
		contexts[entry.name] = true
	}
	for _, entry := range before.contexts {
		if !contexts[entry.name] {
			return true
		}
	}
	for name := range before.config.Clusters {
		if p.config.Clusters[name] == nil && p.broken[entryKey{"clusters", name}] == nil {
			return true
		}
	}
	for name := range before.config.AuthInfos {
		if p.config.AuthInfos[name] == nil && p.broken[entryKey{"users", name}] == nil {
			return true
		}
	}
	return false
}
