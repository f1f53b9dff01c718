package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"fairlead/build/bench/report"
)

// The documents that show the results, from the root of the repository.
const (
	mainDocument  = "README.md"
	benchDocument = "build/bench/README.md"
	benchPicture  = "build/bench/bench.svg"
)

// What a run writes in a document stands between these lines.
const (
	resultsBegin = "<!-- bench: begin -->\n"
	resultsEnd   = "\n<!-- bench: end -->"
)

// results returns what stands between the marks of a document, with what is before and after.
func results(document string) (before, between, after string, err error) {
	before, rest, begun := strings.Cut(document, resultsBegin)
	between, after, ended := strings.Cut(rest, resultsEnd)
	if !begun || !ended {
		return "", "", "", fmt.Errorf("the lines %q and %q are not there", strings.TrimSpace(resultsBegin), strings.TrimSpace(resultsEnd))
	}
	return before + resultsBegin, between, resultsEnd + after, nil
}

// checkDocuments reports whether the documents of the repository can be written, before ten minutes are spent.
func checkDocuments(root string) error {
	for _, name := range []string{mainDocument, benchDocument} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		if _, _, _, err := results(string(text)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// writeDocuments puts the results of a whole run into the documents of the repository.
func writeDocuments(root string, run report.Run) error {
	var table strings.Builder
	if err := run.WriteMarkdown(&table); err != nil {
		return err
	}
	headline, err := report.Headline(table.String())
	if err != nil {
		return err
	}
	for name, text := range map[string]string{mainDocument: headline, benchDocument: strings.TrimSpace(table.String())} {
		if err := replaceResults(filepath.Join(root, name), text); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return writeFile(filepath.Join(root, benchPicture), func(f *os.File) error { return run.WritePicture(f) })
}

func replaceResults(file, text string) error {
	document, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, _, after, err := results(string(document))
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(before+text+after), 0o644)
}
