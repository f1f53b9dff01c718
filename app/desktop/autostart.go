package desktop

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Autostart reports whether Fairlead starts when the user logs in to the desktop. The error says what could not be
// read.
func Autostart() (bool, error) {
	on, err := autostart()
	if err != nil {
		return false, fmt.Errorf("start at login: %w", err)
	}
	return on, nil
}

// SetAutostart makes this program, from where it is now, start without arguments when the user logs in, or not any
// more. Some desktops list such programs with a picture, a PNG of 64 by 64 pixels.
func SetAutostart(on bool, picture []byte) error {
	program, err := os.Executable()
	if err == nil && on {
		err = setAutostart(program, picture)
	} else if err == nil {
		err = unsetAutostart()
	}
	if err != nil {
		return fmt.Errorf("start at login: %w", err)
	}
	return nil
}

// writeWhole replaces a file at once, so that no reader sees half of it. It creates the directories that it is in.
func writeWhole(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".fairlead-*")
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// removeFile removes a file. If it does not exist, that is not an error.
func removeFile(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
