package settings

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

//go:embed example.yaml
var example []byte

// Example returns a config.yaml that explains every setting, and sets each to its default.
func Example() []byte { return slices.Clone(example) }

// WriteExample writes Example to file, and creates its directory. If the file exists it is left alone, and written is
// false.
func WriteExample(file string) (written bool, err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return false, fmt.Errorf("make the directory of the settings: %w", err)
	}
	err = writeSynced(file, example)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("write the settings: %w", err)
	}
	return true, nil
}
