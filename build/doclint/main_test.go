package main

import (
	"slices"
	"strings"
	"testing"
)

func TestFindings(t *testing.T) {
	words, err := parseWords("# the field's words\n\nhe = it\nat odds = in conflict\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, file, source string
		want               []string // the end of each finding
	}{
		{"names come first", "a.go", "package a\n\n// F returns.\nfunc F() {}\n\n// A T is it.\ntype T struct{}\n\n// M does.\nfunc (t *T) M() {}\n\n// V is it.\nvar V int\n", nil},
		{"a function's does not", "a.go", "package a\n\n// Returns it.\nfunc F() {}\n", []string{"the comment of F does not begin with its name"}},
		{"a method's does not", "a.go", "package a\n\ntype T[P any] struct{}\n\n// Does it.\nfunc (t *T[P]) M() {}\n", []string{"the comment of M does not begin with its name"}},
		{"a type's does not", "a.go", "package a\n\n// This is T.\ntype T int\n", []string{"the comment of T does not begin with its name"}},
		{"a type's in a group does not", "a.go", "package a\n\ntype (\n\t// This is T.\n\tT int\n)\n", []string{"the comment of T does not begin with its name"}},
		{"a constant's does not", "a.go", "package a\n\n// Bound is it.\nconst Limit = 1\n", []string{"the comment of Limit does not begin with its name"}},
		{"another name that begins alike", "a.go", "package a\n\n// Forms does.\nfunc Form() {}\n", []string{"the comment of Form does not begin with its name"}},
		{"what is not exported is free", "a.go", "package a\n\n// does it.\nfunc f() {}\n\ntype t int\n\n// Does it.\nfunc (t) M() {}\n", nil},
		{"tests are free", "a_test.go", "package a\n\n// Some do.\nfunc TestIt() {}\n", nil},
		{"a word, in tests too", "a_test.go", "package a\n\n// Then He is at\n// odds.\n", []string{`"He": write it`, `"at odds": write in conflict`}},
		{"a part of a word, and code", "a.go", "package a\n\n// The others.\nvar he = \"he\"\n", nil},
	} {
		found, err := check(test.file, test.source, words)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if !slices.EqualFunc(found, test.want, strings.HasSuffix) {
			t.Errorf("%s: found %q, want %q", test.name, found, test.want)
		}
	}
}

func TestListOfWordsIsGood(t *testing.T) {
	words, err := parseWords(list)
	if err != nil || len(words) == 0 {
		t.Errorf("%d words, %v", len(words), err)
	}
	if _, err := parseWords("whilst\n"); err == nil {
		t.Error("a line without what to write is taken")
	}
}
