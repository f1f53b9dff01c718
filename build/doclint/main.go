// Command doclint checks comments in Go files for what the other linters here do not: that the comment of an exported
// name begins with that name, and that comments contain none of the expressions in words.txt. Its arguments are the
// files.
package main

import (
	"bufio"
	_ "embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strings"
)

//go:embed words.txt
var list string

func main() {
	words, err := parseWords(list)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var findings []string
	for _, path := range os.Args[1:] {
		found, err := check(path, nil, words)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		findings = append(findings, found...)
	}
	for _, finding := range findings {
		fmt.Println(finding)
	}
	if len(findings) > 0 {
		os.Exit(1)
	}
}

// A word is an expression that comments must not contain; instead is what to write.
type word struct {
	pattern *regexp.Regexp
	instead string
}

// parseWords parses lines of the form "word = what to write instead". It ignores blank lines and those that begin with
// #.
func parseWords(text string) ([]word, error) {
	var words []word
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		bad, instead, ok := strings.Cut(line, " = ")
		if !ok {
			return nil, fmt.Errorf("words.txt: no \" = \" in %q", line)
		}
		pattern := `(?i)\b` + strings.ReplaceAll(regexp.QuoteMeta(bad), " ", `\s+`) + `\b`
		words = append(words, word{regexp.MustCompile(pattern), instead})
	}
	return words, nil
}

// check returns the findings in a file, one line each. If source is nil it reads the file at path.
func check(path string, source any, words []word) ([]string, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var findings []string
	report := func(at token.Pos, format string, args ...any) {
		findings = append(findings, fmt.Sprintf("%s: %s", files.Position(at), fmt.Sprintf(format, args...)))
	}
	if !strings.HasSuffix(path, "_test.go") {
		for _, d := range documented(file) {
			if !beginsWith(d.doc.Text(), d.name) {
				report(d.doc.Pos(), "the comment of %s does not begin with its name", d.name)
			}
		}
	}
	for _, group := range file.Comments {
		for _, w := range words {
			if found := w.pattern.FindString(group.Text()); found != "" {
				report(group.Pos(), "%q: write %s", strings.Join(strings.Fields(found), " "), w.instead)
			}
		}
	}
	return findings, nil
}

// A declared is an exported name with a doc comment.
type declared struct {
	name string
	doc  *ast.CommentGroup
}

// documented returns the exported names of a file that have their own comment. Groups of constants or variables are
// omitted: their comment names none of them.
func documented(file *ast.File) []declared {
	var all []declared
	add := func(name string, doc *ast.CommentGroup) {
		if doc != nil && ast.IsExported(name) {
			all = append(all, declared{name, doc})
		}
	}
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil || ast.IsExported(receiver(d)) {
				add(d.Name.Name, d.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					doc := s.Doc
					if doc == nil && !d.Lparen.IsValid() {
						doc = d.Doc
					}
					add(s.Name.Name, doc)
				case *ast.ValueSpec:
					if len(s.Names) == 1 && !d.Lparen.IsValid() {
						add(s.Names[0].Name, d.Doc)
					}
				}
			}
		}
	}
	return all
}

// receiver returns the name of a method's receiver type.
func receiver(method *ast.FuncDecl) string {
	of := method.Recv.List[0].Type
	for {
		switch t := of.(type) {
		case *ast.StarExpr:
			of = t.X
		case *ast.IndexExpr:
			of = t.X
		case *ast.IndexListExpr:
			of = t.X
		case *ast.Ident:
			return t.Name
		default:
			return ""
		}
	}
}

// beginsWith reports whether a doc comment begins with name, optionally after an article.
func beginsWith(doc, name string) bool {
	scanner := bufio.NewScanner(strings.NewReader(doc))
	scanner.Split(bufio.ScanWords)
	first := ""
	if scanner.Scan() {
		first = scanner.Text()
	}
	switch first {
	case "Deprecated:":
		return true
	case "A", "An", "The":
		scanner.Scan()
		first = scanner.Text()
	}
	return strings.TrimRight(first, ".,:;") == name || strings.TrimSuffix(first, "'s") == name
}
