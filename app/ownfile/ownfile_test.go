//go:build unix

package ownfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestWhatIsNoFileOfOursIsAnError(t *testing.T) {
	dir := t.TempDir()
	pipe, link, foreign := filepath.Join(dir, "pipe"), filepath.Join(dir, "link"), filepath.Join(dir, "foreign")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Symlink(pipe, link), os.WriteFile(foreign, []byte("text"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for what, open := range map[string]func(string) (*os.File, error){"Open": Open, "OpenAny": OpenAny, "Create": Create} {
		for _, path := range []string{pipe, link, dir, "/dev/null"} {
			file, err := open(path)
			if err == nil || file != nil {
				t.Errorf("%s(%s) = %v, %v", what, path, file, err)
			}
		}
		if _, err := open(pipe); what != "Create" && !errors.Is(err, ErrNotRegular) {
			t.Errorf("%s(a pipe): %v", what, err)
		}
	}
	if err := os.Chown(foreign, 65534, -1); err != nil && os.Getuid() == 0 {
		t.Fatal(err)
	} else if err == nil {
		for what, open := range map[string]func(string) (*os.File, error){"Open": Open, "Create": Create} {
			if _, err := open(foreign); !errors.Is(err, ErrForeign) {
				t.Errorf("%s(another user's) = %v", what, err)
			}
		}
	}
	if text, err := ReadAny(foreign, 4); string(text) != "text" || err != nil {
		t.Errorf("ReadAny() = %q, %v", text, err)
	}
	if _, err := ReadAny(foreign, 3); err == nil {
		t.Error("a file that is too large is read")
	}
}

func TestOurOwnFilesAreOpened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for range 2 {
		file, err := Create(path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(file, "line\n")
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
	}
	file, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if text, err := io.ReadAll(file); string(text) != "line\nline\n" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if info, err := file.Stat(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// A user who could once write to the directory may have left a link in it.
func TestNothingIsWrittenThroughALink(t *testing.T) {
	dir := t.TempDir()
	victim, link := filepath.Join(dir, "victim"), filepath.Join(dir, "log")
	if err := errors.Join(os.WriteFile(victim, []byte("text"), 0o600), os.Symlink(victim, link)); err != nil {
		t.Fatal(err)
	}
	if file, err := Create(link); !errors.Is(err, syscall.ELOOP) || file != nil {
		t.Errorf("Create(a link) = %v, %v", file, err)
	}
	if file, err := Open(link); err != nil {
		t.Errorf("Open(a link): %v", err)
	} else {
		_ = file.Close()
	}
}
