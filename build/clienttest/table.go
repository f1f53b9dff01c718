//go:build linux

package main

import (
	"fmt"
	"strings"
)

// A table is the output of the run, in Markdown. `fairlead help clients` has the lines for users.
type table struct{ b strings.Builder }

// usual is the address in the printed lines, whatever port this run used.
const usual = "127.0.0.1:1080"

func (t *table) add(r row, err error, l *lab) {
	if t.b.Len() == 0 {
		t.b.WriteString("\n| program | line to paste | note | |\n|---|---|---|---|\n")
	}
	line := r.line
	if kind, ok := strings.CutPrefix(line, "snippet "); ok {
		line = strings.TrimSpace(l.shown(kind))
		if strings.Contains(line, "\n") {
			first, _, _ := strings.Cut(line, "\n")
			line = first + " …"
		}
		r.note = strings.TrimSpace("*More to copy* " + kind + ". " + r.note)
	}
	fmt.Fprintf(&t.b, "| %s | `%s` | %s | %s |\n", r.program, strings.ReplaceAll(line, "|", `\|`), r.note, verdict(err))
}

func (t *table) String() string { return t.b.String() }
