// Package table prints tables and paragraphs for people: it knows how wide text is, and what the terminal takes. Into a
// file or a pipe it prints everything in full and without colours.
package table

import (
	"errors"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// An Output is where text for people goes.
type Output struct {
	io.Writer
	Width  int  // cells of a line; 0 means that there is no bound
	Colour bool // escape codes for colours are understood
}

// For returns the Output of a file: a terminal's width and colours, or neither for anything else. The environment may
// forbid colours with NO_COLOR (no-color.org) or TERM=dumb.
func For(file *os.File) Output {
	out := Output{Writer: file}
	if !IsTerminal(file) {
		return out
	}
	if width, _, err := term.GetSize(int(file.Fd())); err == nil {
		out.Width = width
	}
	out.Colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && enableColour(file)
	return out
}

// IsTerminal reports whether a file is a terminal.
func IsTerminal(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }

// Terminal reports whether the output is a terminal.
func (o Output) Terminal() bool { return o.Width > 0 }

// A Style is how a text is shown where there are colours. Its value is the parameter of the escape code (ECMA-48, SGR).
type Style string

// The styles.
const (
	Plain Style = ""
	Bold  Style = "1"
	Faint Style = "2"
	Bad   Style = "31"
	Good  Style = "32"
	Warn  Style = "33"
	Busy  Style = "36"
)

// Paint returns text in a style.
func (o Output) Paint(text string, s Style) string {
	if !o.Colour || s == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// Item prints text next to a head, in lines that fit the width, or below it where there is little room. The head is in a
// style.
func (o Output) Item(head string, s Style, text string) error {
	if TextWidth(head)+minBeside > o.Width && o.Width > 0 {
		head = strings.TrimRight(head, " ")
		err := o.Paragraph("", head, s)
		if text != "" {
			err = errors.Join(err, o.Paragraph("        ", text, Plain))
		}
		return err
	}
	lines := wrap(Clean(text), max(0, o.Width-TextWidth(head)))
	if text == "" {
		head = strings.TrimRight(head, " ")
	}
	bare := strings.TrimRight(head, " ")
	first := o.Paint(bare, s) + head[len(bare):] + lines[0] + "\n"
	for _, line := range lines[1:] {
		first += strings.Repeat(" ", TextWidth(head)) + line + "\n"
	}
	_, err := io.WriteString(o, first)
	return err
}

// minBeside is the room that text next to a head needs.
const minBeside = 24

// Paragraph prints text with an indent, in lines that fit the width.
func (o Output) Paragraph(indent, text string, s Style) error {
	var b strings.Builder
	width := 0
	if o.Width > 0 {
		width = max(1, o.Width-TextWidth(indent))
	}
	for _, line := range wrap(Clean(text), width) {
		b.WriteString(indent + o.Paint(line, s) + "\n")
	}
	_, err := io.WriteString(o, b.String())
	return err
}
