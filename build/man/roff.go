package main

import (
	"fmt"
	"strings"
)

// writeText writes a plain text. A single line without punctuation at its end is a heading, a block of lines without
// indents or columns is a paragraph, and every other block is printed literally.
func writeText(out *strings.Builder, text string) {
	for block := range strings.SplitSeq(strings.Trim(text, "\n"), "\n\n") {
		switch {
		case isHeading(block):
			fmt.Fprintf(out, ".SH %s\n", roff(block))
		case isParagraph(block):
			fmt.Fprintf(out, ".PP\n%s\n", roff(block))
		default:
			out.WriteString(".PP\n")
			writeLines(out, block)
		}
	}
}

// writeLines writes lines that are neither filled nor broken.
func writeLines(out *strings.Builder, lines string) {
	fmt.Fprintf(out, ".nf\n%s\n.fi\n", roff(strings.TrimRight(lines, "\n")))
}

func isHeading(block string) bool {
	return !strings.ContainsAny(block, "\n\t") && !strings.HasPrefix(block, " ") && !strings.ContainsAny(block[len(block)-1:], ".:")
}

func isParagraph(block string) bool {
	return !strings.HasPrefix(block, " ") && !strings.ContainsAny(block, "\t") && !strings.Contains(block, "\n ")
}

// escapes replaces the characters that are commands to roff, or that it prints as other characters, so that text copied
// from a page is the original text.
var escapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, `"`, `\(dq`)

// roff returns the roff source that prints text. No line of it is a request, whatever it begins with.
func roff(text string) string {
	var out strings.Builder
	for i, line := range strings.Split(escapes.Replace(text), "\n") {
		if i > 0 {
			out.WriteByte('\n')
		}
		if strings.HasPrefix(line, ".") {
			out.WriteString(`\&`)
		}
		for _, r := range line {
			if r < 0x80 {
				out.WriteRune(r)
			} else {
				fmt.Fprintf(&out, `\[u%04X]`, r)
			}
		}
	}
	return out.String()
}
