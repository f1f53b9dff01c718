package table

import (
	"strings"

	"github.com/rivo/uniseg"

	"fairlead/proxy/safetext"
)

const ellipsis = "…"

// Clean returns text as a part of one line, without what a terminal would obey.
func Clean(text string) string {
	return safetext.Clean(strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ").Replace(text))
}

// TextWidth returns how many cells of a terminal a text takes.
func TextWidth(text string) int { return uniseg.StringWidth(text) }

// head returns the longest beginning of text that takes at most width cells, in whole characters as people see them.
func head(text string, width int) string {
	taken := 0
	characters := uniseg.NewGraphemes(text)
	for characters.Next() {
		if taken += characters.Width(); taken > width {
			from, _ := characters.Positions()
			return text[:from]
		}
	}
	return text
}

// tail is like head, for the end of text.
func tail(text string, width int) string {
	left := TextWidth(text)
	characters := uniseg.NewGraphemes(text)
	for left > width && characters.Next() {
		left -= characters.Width()
		_, to := characters.Positions()
		if left <= width {
			return text[to:]
		}
	}
	return text
}

// cutEnd returns text in at most width cells, with an ellipsis for what is left out at its end.
func cutEnd(text string, width int) string {
	if TextWidth(text) <= width {
		return text
	}
	return head(text, max(0, width-1)) + head(ellipsis, width)
}

// cutMiddle is like cutEnd, and leaves out the middle. The ends of names tell them apart.
func cutMiddle(text string, width int) string {
	if TextWidth(text) <= width {
		return text
	}
	kept := max(0, width-1)
	end := tail(text, (kept+1)*2/3)
	return head(text, kept-TextWidth(end)) + head(ellipsis, width) + end
}

// wrap returns text in lines of at most width cells, broken where Unicode allows it (UAX #14) or, in a longer word,
// anywhere. A width below 1 is no bound.
func wrap(text string, width int) []string {
	if width < 1 || TextWidth(text) <= width {
		return []string{text}
	}
	var lines []string
	line := ""
	for state := -1; text != ""; {
		var part string
		part, text, _, state = uniseg.FirstLineSegmentInString(text, state)
		if TextWidth(line+strings.TrimRight(part, " ")) > width && line != "" {
			lines, line = append(lines, strings.TrimRight(line, " ")), ""
		}
		for line += part; TextWidth(strings.TrimRight(line, " ")) > width; {
			first := head(line, width)
			if first == "" {
				break // a character that is wider than the line
			}
			lines, line = append(lines, first), line[len(first):]
		}
	}
	return append(lines, strings.TrimRight(line, " "))
}
