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

// The lines around the results in a document.
const (
	resultsBegin = "<!-- bench: begin -->\n"
	resultsEnd   = "\n<!-- bench: end -->"
)

// results returns the text between the marks of a document, with the text before and after.
func results(document string) (before, between, after string, err error) {
	before, rest, begun := strings.Cut(document, resultsBegin)
	between, after, ended := strings.Cut(rest, resultsEnd)
	if !begun || !ended {
		return "", "", "", fmt.Errorf("the lines %q and %q are missing", strings.TrimSpace(resultsBegin), strings.TrimSpace(resultsEnd))
	}
	return before + resultsBegin, between, resultsEnd + after, nil
}

// checkDocuments returns an error if results cannot be written into the documents of the repository, before the run of
// ten minutes.
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

// writeDocuments writes the results of a whole run into the documents of the repository.
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
