// Command man writes Fairlead's manual into a directory: a page of section 1 for each command and a page of section 7
// for each help topic. They have the text that "fairlead help" prints.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"fairlead/app/command"
)

// Exit statuses other than 0.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "man: the argument must be the directory for the manual")
		os.Exit(exitUsage)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "man:", err)
		os.Exit(exitFailed)
	}
}

// write writes the pages into dir, and removes those of an earlier run.
func write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	stale, err := filepath.Glob(filepath.Join(dir, "fairlead*.[17]"))
	if err != nil {
		return err
	}
	for _, file := range stale {
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	for name, page := range pages(command.Tree()) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(page), 0o644); err != nil {
			return err
		}
	}
	return nil
}
