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

// A watchedFile is one kubeconfig file over time. Its effective reading is the last one, or the one from before it
// became worse.
type watchedFile struct {
	seen      fs.FileInfo // of the last reading; nil if the file did not exist
	latest    reading     // the last one
	decided   content     // of the reading that was the latest when effective was last set
	effective reading
	since     time.Time // when latest became worse than decided; zero while they are equal
	read      bool
}

// A content is the result of reading a file's bytes.
type content struct {
	data []byte
	err  error
}

// check reads the file if there was an event or its date has changed. It reports whether the effective reading has
// changed, or else how long to wait before the latest one becomes effective.
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

// SameFile reports whether two descriptions of a file, which are nil if it does not exist, are of the same file with
// the same size and date.
func SameFile(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func (c content) equal(other content) bool {
	return bytes.Equal(c.data, other.data) && fmt.Sprint(c.err) == fmt.Sprint(other.err)
}

// errEmpty is why an empty file, such as one that a program has only begun to write, does not count.
var errEmpty = errors.New("it is empty")

// unreadable returns why the latest content tells nothing of the entries that the file had before, nil if it does: it
// cannot be read or parsed, or not as a whole, and lacks some of them, such as a file that is half-written or cut off.
// A file that does not exist is not unreadable.
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

// nextEffective returns the reading that is effective from now on.
func (f *watchedFile) nextEffective() reading {
	if err := f.unreadable(); err != nil {
		return reading{parsed: f.effective.parsed, err: fmt.Errorf("%w; until it can be read, what it said before holds", err)}
	}
	latest := f.latest
	before := f.effective.parsed
	latest.gone = latest.from.isMissing() && (f.effective.gone || before != nil && !before.isEmpty())
	return latest
}

// requiredAge returns how long the latest content has to last before it is effective. A whole file that removes nothing
// is effective at once, and so is what replaces something that was broken already.
func (f *watchedFile) requiredAge() time.Duration {
	before := f.effective.parsed
	switch {
	case before == nil:
		return 0
	case f.latest.from.isMissing():
		return awayFor
	case f.unreadable() != nil && f.effective.err != nil:
		return 0 // it was unreadable before, for another reason
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

// firstError returns the first error of a file, nil if there is none.
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

// lacks reports whether an entry of before is gone; one that exists and cannot be parsed is not. A file that is cut off
// at the end of a line may be valid.
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
