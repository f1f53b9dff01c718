package table

import (
	"regexp"
	"strings"
)

// Fit returns text with lines that fit the width. Paragraphs without an indent are filled again; in a line of a list, what
// is broken continues below the last column.
func (o Output) Fit(text string) string {
	if o.Width < 1 {
		return text
	}
	blocks := strings.Split(text, "\n\n")
	for i, block := range blocks {
		blocks[i] = o.fitBlock(block)
	}
	return strings.Join(blocks, "\n\n")
}

func (o Output) fitBlock(block string) string {
	lines := strings.Split(block, "\n")
	fits, prose := true, true
	for _, line := range lines {
		fits = fits && TextWidth(line) <= o.Width
		prose = prose && !strings.Contains(line, "  ")
	}
	switch {
	case fits:
		return block
	case prose:
		return strings.Join(wrap(strings.TrimSpace(strings.Join(lines, " ")), o.Width), "\n") + strings.Repeat("\n", trailing(block))
	}
	var fitted []string
	for _, line := range lines {
		fitted = append(fitted, o.fitLine(line)...)
	}
	return strings.Join(fitted, "\n")
}

// trailing returns the number of line ends at the end of a block.
func trailing(block string) int { return len(block) - len(strings.TrimRight(block, "\n")) }

var columnGap = regexp.MustCompile(`^ *(?:\S+(?: \S+)* {2,})?`)

// fitLine returns a line in parts, of which those after the first stand below its last column.
func (o Output) fitLine(line string) []string {
	head := columnGap.FindString(line)
	if len(head)+minBeside > o.Width {
		head = line[:len(line)-len(strings.TrimLeft(line, " "))]
	}
	if len(head) >= o.Width {
		head = ""
	}
	parts := wrap(strings.TrimPrefix(line, head), o.Width-TextWidth(head))
	for i := range parts {
		if parts[i] = strings.Repeat(" ", TextWidth(head)) + parts[i]; i == 0 {
			parts[i] = line[:len(head)] + strings.TrimLeft(parts[i], " ")
		}
		parts[i] = strings.TrimRight(parts[i], " ")
	}
	return parts
}
