package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"fairlead/app/command"
	"fairlead/app/logging"
	"fairlead/app/ownfile"
	"fairlead/app/settings"
	"fairlead/kube/filewatch"
	"fairlead/proxy/safetext"
)

// logTail is how much of the log's end is shown, in bytes.
const logTail = 64 << 10

// Logs prints the end of the log, for people or line by line as it was written. With follow it also prints what is
// added, until ctx ends.
func Logs(ctx context.Context, o command.Options) error {
	dir, err := settings.Dir()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, logging.FileName)
	t := &tail{path: path, show: logPrinter(os.Stdout)}
	if o.Output == "json" {
		t.show = logLines(os.Stdout)
	}
	t.show = filtered(o, t.show)
	defer t.close()
	if err := t.begin(); errors.Is(err, fs.ErrNotExist) && !o.Follow {
		return fmt.Errorf("there is no log yet: %s", path)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !o.Follow {
		return t.err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	filewatch.Watcher{Files: func() []string { return []string{path} }, Look: func(bool) time.Duration {
		if t.more(); t.err != nil {
			cancel()
		}
		return 0
	}}.Run(ctx)
	return t.err
}

// logPrinter returns a function that prints a line of the log for people. It prints other lines unchanged.
func logPrinter(out io.Writer) func(line []byte) error {
	people := logging.ForPeople(out, out, time.DateTime)
	return func(line []byte) error {
		if _, err := people.Write(line); err != nil {
			_, err = fmt.Fprintln(out, safetext.Clean(string(line)))
			return err
		}
		return nil
	}
}

// filtered returns a function that shows only the lines that the options ask for. A line that is not of the log has no
// context and no level.
func filtered(o command.Options, show func(line []byte) error) func(line []byte) error {
	if o.Context == "" && o.Level == "" {
		return show
	}
	least, err := zerolog.ParseLevel(o.Level)
	if err != nil || o.Level == "" {
		least = zerolog.TraceLevel
	}
	return func(line []byte) error {
		var is struct{ Context, Level string }
		if err := json.Unmarshal(line, &is); err != nil || o.Context != "" && is.Context != o.Context {
			return nil
		}
		if level, err := zerolog.ParseLevel(is.Level); err != nil || level < least {
			return nil
		}
		return show(line)
	}
}

// logLines returns a function that prints a line of the log as it was written, a JSON object. It wraps other lines in
// an object, as its message.
func logLines(out io.Writer) func(line []byte) error {
	return func(line []byte) error {
		if !json.Valid(line) {
			wrapped, err := json.Marshal(map[string]string{"message": safetext.Clean(string(line))})
			if err != nil {
				return err
			}
			line = wrapped
		}
		_, err := fmt.Fprintf(out, "%s\n", line)
		return err
	}
}

// A tail reads the log as it grows, and follows it when a new file replaces it.
type tail struct {
	path string
	show func(line []byte) error // prints a line
	file *os.File
	rest []byte // an incomplete line
	err  error  // of show
}

// begin shows the end of the file.
func (t *tail) begin() error {
	file, err := ownfile.Open(t.path)
	if err != nil {
		return err
	}
	t.file = file
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if skip := info.Size() - logTail; skip > 0 {
		if _, err := file.Seek(skip, io.SeekStart); err != nil {
			return err
		}
		t.drain(true) // the read begins in the middle of a line
	}
	t.more()
	return nil
}

// more shows what was added.
func (t *tail) more() {
	t.drain(false)
	now, err := os.Stat(t.path)
	if err != nil {
		return
	}
	if t.file != nil {
		if old, err := t.file.Stat(); err == nil && os.SameFile(old, now) {
			return
		}
		t.drain(false) // lines written before the file was replaced
		t.close()
	}
	if t.file, err = ownfile.Open(t.path); err != nil {
		t.file = nil
		return
	}
	t.rest = nil
	t.drain(false)
}

// drain shows the complete lines that can be read. If skip is set, it only discards the first.
func (t *tail) drain(skip bool) {
	chunk := make([]byte, 32<<10)
	for t.file != nil && t.err == nil {
		n, err := t.file.Read(chunk)
		t.rest = append(t.rest, chunk[:n]...)
		for t.err == nil {
			line, rest, whole := bytes.Cut(t.rest, []byte("\n"))
			if !whole {
				break
			}
			t.rest = rest
			if skip {
				return
			}
			t.err = t.show(line)
		}
		if n == 0 || err != nil {
			return
		}
	}
}

func (t *tail) close() {
	if t.file != nil {
		_ = t.file.Close()
		t.file = nil
	}
}
