// Package ownfile opens files that only their user should have created: settings, state, log. Anything else in their
// place, such as a pipe, a directory or another user's file, is an error, and opening never blocks on it.
package ownfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Errors for what is found in place of a file. They are wrapped in a *fs.PathError.
var (
	ErrNotRegular = errors.New("it is not a regular file")
	ErrForeign    = errors.New("it belongs to another user")
)

// Open opens a regular file of this user, or of root, for reading.
func Open(path string) (*os.File, error) {
	return open(path, os.O_RDONLY, func(info fs.FileInfo) error {
		if uid := Owner(info); uid > 0 && uid != os.Getuid() {
			return fmt.Errorf("%w (uid %d)", ErrForeign, uid)
		}
		return nil
	})
}

// OpenAny opens a regular file of any user for reading.
func OpenAny(path string) (*os.File, error) {
	return open(path, os.O_RDONLY, func(fs.FileInfo) error { return nil })
}

// Create opens a regular file of this user for appending, and creates it for its owner only if necessary. A symbolic link
// in its place is an error, where the system can tell, so that nothing is written to another file.
func Create(path string) (*os.File, error) {
	return open(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND|noFollow, func(info fs.FileInfo) error {
		if uid := Owner(info); uid >= 0 && uid != os.Getuid() {
			return fmt.Errorf("%w (uid %d)", ErrForeign, uid)
		}
		return nil
	})
}

// ReadAny reads a regular file of any user, of at most max bytes.
func ReadAny(path string, max int64) ([]byte, error) {
	file, err := OpenAny(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, max+1))
	if err == nil && int64(len(data)) > max {
		err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it is larger than %d bytes", max)}
	}
	return data, err
}

// open opens a file, and checks the opened file rather than its name, which may refer to another file by then.
func open(path string, flags int, check func(fs.FileInfo) error) (*os.File, error) {
	file, err := os.OpenFile(path, flags|NoWait, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = ErrNotRegular
	}
	if err == nil {
		err = check(info)
	}
	if err != nil {
		_ = file.Close()
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return file, nil
}
