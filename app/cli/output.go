package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"sigs.k8s.io/yaml"

	"fairlead/app/command"
	"fairlead/app/session"
	"fairlead/app/table"
)

// encode prints value as json or yaml, and reports whether format is one of these. Scripts read the output, so existing
// keys must not be renamed or removed.
func encode(out io.Writer, format string, value any) (done bool, err error) {
	switch format {
	case "json":
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return true, encoder.Encode(value)
	case "yaml":
		text, err := yaml.Marshal(value)
		if err == nil {
			_, err = out.Write(text)
		}
		return true, err
	}
	return false, nil
}

// printNames prints names, one a line.
func printNames(out io.Writer, names []string) error {
	for _, name := range names {
		if _, err := fmt.Fprintln(out, name); err != nil {
			return err
		}
	}
	return nil
}

// A column is a column of a command's table.
type column[T any] struct {
	title string
	cut   table.Cut
	wide  bool // only with -o wide
	cell  func(T) table.Cell
}

// plain makes a cell of a text.
func plain[T any](text func(T) string) func(T) table.Cell {
	return func(row T) table.Cell { return table.Cell{Text: text(row)} }
}

// printTable prints rows as a table. It reports whether a text had to be cut.
func printTable[T any](out table.Output, o command.Options, columns []column[T], rows []T) (cut bool, err error) {
	columns = slices.DeleteFunc(slices.Clone(columns), func(c column[T]) bool { return c.wide && o.Output != "wide" })
	t := table.Table{NoTitle: o.NoHeaders}
	for _, c := range columns {
		t.Columns = append(t.Columns, table.Column{Title: c.title, Cut: c.cut})
	}
	for _, row := range rows {
		var cells []table.Cell
		for _, c := range columns {
			cells = append(cells, c.cell(row))
		}
		t.Add(cells...)
	}
	return t.Print(out)
}

// stateCell shows the word for a context's sign, in the colour of its picture. It is empty if no Fairlead is running.
func stateCell(c session.State) table.Cell {
	if c.Phase == "" {
		return table.Cell{}
	}
	return table.Cell{Text: c.Word(), Style: styles[c.Sign()]}
}

var styles = map[session.Sign]table.Style{
	session.SignOff: table.Faint, session.SignWorking: table.Busy, session.SignOn: table.Good,
	session.SignAttention: table.Warn, session.SignFailed: table.Bad,
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return ""
}
