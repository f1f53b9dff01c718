package menu

import (
	"fmt"
	"strings"
	"unicode/utf16"

	"fairlead/app/session"
)

// maxTooltip is in UTF-16 units. Windows has room for 127 of them, and panels cut what is much longer.
const maxTooltip = 120

// maxNamed is how many contexts a tooltip names at most.
const maxNamed = 10

// Tooltip returns the state in words: what needs the user and why, what failed, and then what is on, with its open
// connections. Contexts that there is no room for are counted, so that nothing is cut in its middle.
func Tooltip(s session.Snapshot, x Extras) string {
	contexts := urgentFirst(s.Contexts)
	if len(contexts) == 0 {
		if words := Summary(s); words != noneOn {
			return words
		}
		return "Fairlead: " + lowered(noneOn)
	}
	v := viewOf(s, x)
	var named []string
	for _, c := range contexts[:min(len(contexts), maxNamed)] {
		named = append(named, inWords(c, v))
	}
	for n := len(named); ; n-- {
		words := "Fairlead: " + strings.Join(append(named[:n:n], rest(contexts[n:], n > 0)...), "; ")
		if n == 0 || len(utf16.Encode([]rune(words))) <= maxTooltip {
			return words
		}
	}
}

// urgentFirst returns the contexts that are not off, the most urgent first.
func urgentFirst(all []session.State) []session.State {
	var sorted []session.State
	for _, sign := range session.Signs() {
		for _, c := range all {
			if c.Phase != session.Off && c.Sign() == sign {
				sorted = append(sorted, c)
			}
		}
	}
	return sorted
}

// inWords returns a context's title and state.
func inWords(c session.State, v view) string {
	words := v.title(c)
	if c.Production {
		words = production + words
	}
	switch c.Sign() {
	case session.SignOn:
		words += " " + ShortAddress(c.Endpoints.ProxyAddress())
	case session.SignWorking:
		return words + ": " + c.Word()
	default:
		words += ": " + troubleWords(c)
	}
	switch open := v.Contexts[c.Name].Connections; {
	case open == 1:
		words += ", 1 connection"
	case open > 1:
		words += fmt.Sprintf(", %d connections", open)
	}
	return words
}

// troubleWords returns why a context is not as it should be, in a few words.
func troubleWords(c session.State) string {
	switch {
	case c.Trouble == session.ChangeFailed:
		return "change not applied"
	case oneLine(c.Title) != "":
		return lowered(oneLine(c.Title))
	case c.Trouble == session.LoginNeeded:
		return "login needed"
	case c.Trouble == session.PortTaken:
		return "port taken"
	case c.Trouble == session.Unusable:
		return "not usable"
	case c.Trouble == session.Unreachable:
		return "API server not reachable"
	}
	return c.Word()
}

// lowered returns a title as words within a line: without its capital, unless it begins with an abbreviation.
func lowered(title string) string {
	word, _, _ := strings.Cut(title, " ")
	if word == strings.ToUpper(word) {
		return title
	}
	return strings.ToLower(title[:1]) + title[1:]
}

// rest returns how many contexts have each sign.
func rest(contexts []session.State, others bool) []string {
	numbers := map[session.Sign]int{}
	for _, c := range contexts {
		numbers[c.Sign()]++
	}
	var words []string
	for _, sign := range session.Signs() {
		n := numbers[sign]
		if n == 0 {
			continue
		}
		count := fmt.Sprint(n)
		if others {
			count += " more"
		}
		words = append(words, count+" "+sign.WordFor(n))
	}
	return words
}
