package table

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTextIsAsWideAsOnATerminal(t *testing.T) {
	for text, want := range map[string]int{
		"":               0,
		"prod-eu":        7,
		"上海-生产-集群-一":     17,
		"ｆｕｌｌ":           8,
		"한국어":            6,
		"é":              1, // e and a combining accent
		"🚀":              2,
		"👩‍💻-dev":        6, // two emoji and a joiner
		"🇩🇪":             2, // two letters that make a flag
		"❤️":             2,
		"⚠":              1,
		"naïve…":         6,
		"\u200bhidden":   6,
		"עברית":          5,
		"ﾊﾝｶｸ":           4,
		"arn:aws:eks:eu": 14,
	} {
		if got := TextWidth(text); got != want {
			t.Errorf("%q takes %d cells, want %d", text, got, want)
		}
	}
}

func names() *Table {
	t := &Table{Columns: []Column{{Title: "NAME", Cut: CutMiddle}, {Title: "STATE"}, {Title: "PROBLEM", Cut: CutEnd}}}
	for _, row := range [][]Cell{
		{{Text: "上海-生产-集群-一"}, {Text: "on", Style: Good}},
		{{Text: "👩‍💻-dev"}, {Text: "failed", Style: Bad}, {Text: "Another program listens on 127.0.0.1:1083."}},
		{{Text: "arn:aws:eks:eu-central-1:123456789012:cluster/payments-production-green"}, {Text: "on", Style: Good}},
		{{Text: "plain"}, {Text: "off", Style: Faint}, {Text: "a\x1b[31mb\nc"}},
	} {
		t.Add(row...)
	}
	return t
}

func printed(t *testing.T, table *Table, out Output) (string, bool) {
	t.Helper()
	var b strings.Builder
	out.Writer = &b
	cut, err := table.Print(out)
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), cut
}

func TestColumnsStandInLine(t *testing.T) {
	text, cut := printed(t, names(), Output{})
	if cut || strings.Contains(text, "\x1b") || strings.Contains(text, ellipsis) {
		t.Errorf("cut %t, or coloured:\n%q", cut, text)
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.TrimRight(line, " ") != line {
			t.Errorf("spaces at the end of %q", line)
		}
		at := -1
		for _, state := range []string{"STATE", "  on", "  failed", "  off"} {
			if i := strings.Index(line, state); i >= 0 {
				at = TextWidth(line[:i+len(state)-len(strings.TrimLeft(state, " "))])
			}
		}
		if at != 73 {
			t.Errorf("the state begins at %d:\n%s", at, text)
		}
	}
}

func TestNoLineIsWiderThanTheTerminal(t *testing.T) {
	whole, _ := printed(t, names(), Output{})
	for width := 1; width < 140; width++ {
		text, cut := printed(t, names(), Output{Width: width})
		for line := range strings.Lines(text) {
			if got := TextWidth(strings.TrimSuffix(line, "\n")); got > width || !utf8.ValidString(line) {
				t.Errorf("%d cells on a terminal of %d: %q", got, width, line)
			}
		}
		if same := text == whole; same == cut {
			t.Errorf("width %d: cut %t, as in full %t", width, cut, same)
		}
	}
	text, _ := printed(t, names(), Output{Width: 60})
	want := `
NAME                       STATE   PROBLEM
上海-生产-集群-一          on
👩‍💻-dev                     failed  Another program listens …
arn:aws:…production-green  on
plain                      off     a�[31mb c
`
	if text = "\n" + text; text != want {
		t.Errorf("got%s\nwant%s", text, want)
	}
}

func TestColoursDoNotMoveColumns(t *testing.T) {
	plain, _ := printed(t, names(), Output{Width: 60})
	coloured, _ := printed(t, names(), Output{Width: 60, Colour: true})
	for _, code := range []string{"\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m"} {
		if !strings.Contains(coloured, code) {
			t.Errorf("no %q", code)
		}
		coloured = strings.ReplaceAll(coloured, code, "")
	}
	if coloured = strings.ReplaceAll(coloured, "\x1b[0m", ""); coloured != plain {
		t.Errorf("coloured\n%s\nplain\n%s", coloured, plain)
	}
	table := names()
	table.NoTitle = true
	if text, _ := printed(t, table, Output{}); strings.Contains(text, "NAME") || strings.Count(text, "\n") != 4 {
		t.Errorf("without titles:\n%s", text)
	}
}

func TestParagraphsAreWrapped(t *testing.T) {
	for _, row := range []struct {
		text  string
		width int
		want  string
	}{
		{"one two three", 0, "  one two three\n"},
		{"one two three", 9, "  one two\n  three\n"},
		{"one two three", 8, "  one\n  two\n  three\n"},
		{"unbreakable", 7, "  unbre\n  akabl\n  e\n"},
		{"生产集群不可用", 8, "  生产集\n  群不可\n  用\n"},
		{"a\x1b]0;title\x07\nb", 0, "  a�]0;title� b\n"},
		{"two", 1, "  t\n  w\n  o\n"},
		{"", 9, "  \n"},
	} {
		var b strings.Builder
		if err := (Output{Writer: &b, Width: row.width}).Paragraph("  ", row.text, Plain); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); got != row.want {
			t.Errorf("%q in %d: %q, want %q", row.text, row.width, got, row.want)
		}
	}
}

func TestItemsStandBesideTheirHead(t *testing.T) {
	for _, row := range []struct {
		text  string
		width int
		want  string
	}{
		{"all of the text is here", 0, "ok  name  all of the text is here\n"},
		{"", 0, "ok  name\n"},
		{"all of the text is here", 34, "ok  name  all of the text is here\n"},
		{"all of the text is here, and more", 34, "ok  name  all of the text is here,\n          and more\n"},
		{"all of the text is here", 20, "ok  name\n        all of the\n        text is here\n"},
	} {
		var b strings.Builder
		if err := (Output{Writer: &b, Width: row.width}).Item("ok  name  ", Good, row.text); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); got != row.want {
			t.Errorf("%q in %d: %q, want %q", row.text, row.width, got, row.want)
		}
	}
}

func TestHelpFitsTheTerminal(t *testing.T) {
	const text = `One paragraph
of two lines, filled again because one is long.

Commands:
  list        List contexts, their state and problems
  connections List the open connections of running proxies
      --flag value   what the flag does, in many words

    code that is too long to be in one line

the end
`
	const want = `One paragraph of two lines, filled again
because one is long.

Commands:
  list        List contexts, their state
              and problems
  connections List the open connections
  of running proxies
      --flag value   what the flag does,
      in many words

    code that is too long to be in one
    line

the end
`
	if got := (Output{Width: 40}).Fit(text); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := (Output{}).Fit(text); got != text {
		t.Errorf("into a pipe:\n%s", got)
	}
	for width := 1; width < 80; width++ {
		for line := range strings.Lines((Output{Width: width}).Fit(text)) {
			if TextWidth(strings.TrimSuffix(line, "\n")) > width {
				t.Errorf("%d: %q", width, line)
			}
		}
	}
}

func TestAFileIsNoTerminal(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	if out := For(write); out.Terminal() || out.Colour || out.Width != 0 {
		t.Errorf("%+v", out)
	}
}
