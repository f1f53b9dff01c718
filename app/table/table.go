package table

import (
	"io"
	"strings"
)

// A Column is a column of a Table. Where a line would not fit, columns that may be cut are cut first, the widest first.
type Column struct {
	Title string
	Cut   Cut
}

// A Cut says whether and where the texts of a column may be cut.
type Cut int

// The cuts.
const (
	Whole     Cut = iota // only where cutting the other columns is not enough
	CutEnd               // sentences
	CutMiddle            // names
)

// A Cell is a text in a table.
type Cell struct {
	Text  string
	Style Style
}

// A Table is rows of cells below the titles of their columns.
type Table struct {
	Columns []Column
	NoTitle bool // leave the titles out
	rows    [][]Cell
}

// Add adds a row. Missing cells at its end are empty.
func (t *Table) Add(cells ...Cell) {
	row := make([]Cell, len(t.Columns))
	copy(row, cells)
	for i := range row {
		row[i].Text = Clean(row[i].Text)
	}
	t.rows = append(t.rows, row)
}

// gap is the space between two columns.
const gap = "  "

// Print prints the table, and reports whether it had to cut a text.
func (t *Table) Print(out Output) (cut bool, err error) {
	rows := t.rows
	if !t.NoTitle {
		var titles []Cell
		for _, c := range t.Columns {
			titles = append(titles, Cell{c.Title, Bold})
		}
		rows = append([][]Cell{titles}, rows...)
	}
	widths := t.widths(rows, out.Width)
	var b strings.Builder
	for n, row := range rows {
		line, filled := "", ""
		for i, cell := range row {
			text := t.Columns[i].cut(cell.Text, widths[i])
			if n == 0 && !t.NoTitle {
				text = cutEnd(cell.Text, widths[i])
			}
			cut = cut || text != cell.Text
			if text != "" {
				line += filled + out.Paint(text, cell.Style)
				filled = ""
			}
			filled += strings.Repeat(" ", widths[i]-TextWidth(text)) + gap
		}
		b.WriteString(line + "\n")
	}
	_, err = io.WriteString(out, b.String())
	return cut, err
}

func (c Column) cut(text string, width int) string {
	if c.Cut == CutMiddle {
		return cutMiddle(text, width)
	}
	return cutEnd(text, width)
}

// widths returns the widths of the columns, which together with the gaps are at most most, unless most is 0.
func (t *Table) widths(rows [][]Cell, most int) []int {
	widths := make([]int, len(t.Columns))
	total := len(gap) * (len(t.Columns) - 1)
	for i := range widths {
		for _, row := range rows {
			widths[i] = max(widths[i], TextWidth(row[i].Text))
		}
		total += widths[i]
	}
	for most > 0 && total > most {
		widest := -1
		for _, least := range []func(Column) int{
			func(c Column) int { // a title, at least
				if c.Cut == Whole {
					return most + total
				}
				return max(TextWidth(c.Title), 8)
			},
			func(Column) int { return 0 },
		} {
			for i, c := range t.Columns {
				if widths[i] > least(c) && (widest < 0 || widths[i] > widths[widest]) {
					widest = i
				}
			}
			if widest >= 0 {
				break
			}
		}
		if widest < 0 {
			break // the gaps alone are wider
		}
		widths[widest]--
		total--
	}
	return widths
}
