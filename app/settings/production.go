package settings

import (
	"slices"
	"strings"
	"unicode"
)

// marksProduction reports whether a context's name says that it is a production one: by the words prod, prd, live or
// production, or by a word that begins or ends with prod or production, as in euprod1. Words such as reproduction, product, nonprod and
// pre-prod say something else.
func marksProduction(name string) bool {
	before := ""
	for _, word := range words(name) {
		if isProduction(word) && !slices.Contains(oppositePrefixes, before) {
			return true
		}
		before = word
	}
	return false
}

// oppositePrefixes turn production into something else, as words of their own or at the head of one.
var oppositePrefixes = []string{"non", "no", "not", "pre", "post", "re"}

func isProduction(word string) bool {
	switch word {
	case "prod", "prods", "prd", "live", "production":
		return true
	}
	for _, end := range []string{"prod", "production"} {
		if prefix, ok := strings.CutSuffix(word, end); ok {
			return !slices.Contains(oppositePrefixes, prefix)
		}
	}
	rest, ok := strings.CutPrefix(word, "prod")
	switch {
	case strings.HasPrefix(rest, "uction"):
		return true
	case strings.HasPrefix(rest, "uc"), strings.HasPrefix(rest, "ig"): // product, produce, prodigy
		return false
	}
	return ok
}

// words returns the words of a name in lower case: runs of letters, which also end where an upper case letter follows a
// lower case one, as in shopProd.
func words(name string) []string {
	var words []string
	var word strings.Builder
	lower := false
	end := func() {
		if word.Len() > 0 {
			words = append(words, word.String())
		}
		word.Reset()
	}
	for _, r := range name {
		if !unicode.IsLetter(r) || lower && unicode.IsUpper(r) {
			end()
		}
		if unicode.IsLetter(r) {
			word.WriteRune(unicode.ToLower(r))
		}
		lower = unicode.IsLower(r)
	}
	end()
	return words
}
