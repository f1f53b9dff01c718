package notify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"fairlead/app/explain"
	"fairlead/app/session"
)

// How much of a text from elsewhere is shown, in characters, and how many of a kind.
const (
	titleLength = 80
	nameLength  = 130
	lineLength  = 400
	mostNames   = 6
	mostLines   = 3
)

// notification returns a card as it is shown.
func (c *card) notification() Notification {
	n := Notification{Key: c.key, Icon: c.icon()}
	var lines []string
	running, over := c.split()
	over = inOrder(over)
	switch {
	case c.topic.class == starts:
		n.Title, lines = startedText(c.entries)
	case len(running) == 0:
		n.Title, lines = overText(over)
	case c.topic.class == others:
		n.Title, lines = othersText(running)
	case c.topic.class == connections && (len(running) > 1 || c.dropped):
		n.Title, lines = c.connectionsText()
	case c.topic.class == connections:
		n.Title, lines = connectionText(running[0])
	case len(running) == 1:
		n.Title, lines = troubleText(running[0])
	default:
		n.Title, lines = groupText(running)
	}
	if len(running) > 0 {
		for _, word := range overWords(over) {
			lines = append(lines, names(titlesOf(over, word))+": "+word+".")
		}
	}
	n.Title, n.Body = explain.Plain(n.Title, titleLength), body(lines)
	n.Actions = c.actions(running)
	n.About = Choice{Contexts: contextsOf(running), Text: n.Title + "\n" + n.Body}
	if command := commonCommand(running); command != "" {
		n.About.Text = command
	}
	return n
}

// split returns the entries that still hold, and those that are over.
func (c *card) split() (running, over []*entry) {
	for _, e := range c.entries {
		if e.isOver {
			over = append(over, e)
		} else {
			running = append(running, e)
		}
	}
	return running, over
}

// icon returns the picture of the most urgent entry that still holds, if possible that of a production context.
func (c *card) icon() string {
	running, _ := c.split()
	for _, sign := range session.Signs() {
		found, production := false, false
		for _, e := range running {
			if e.sign == sign {
				found, production = true, production || e.production
			}
		}
		if found {
			return sign.Picture(production)
		}
	}
	return string(session.SignOn)
}

// titled returns a title that begins with a context.
func titled(context, rest string) string {
	// Room for the rest is more important than the whole of a long name.
	room := max(titleLength-utf8.RuneCountInString(rest)-2, titleLength/2)
	return explain.Plain(context, room) + ": " + lowerFirst(rest)
}

// lowerFirst makes a title continue a line. An abbreviation stays as it is.
func lowerFirst(title string) string {
	first, size := utf8.DecodeRuneInString(title)
	if second, _ := utf8.DecodeRuneInString(title[size:]); !unicode.IsLower(second) {
		return title
	}
	return string(unicode.ToLower(first)) + title[size:]
}

// connectionText returns the text for one target of a context.
func connectionText(e *entry) (title string, lines []string) {
	target := explain.Plain(e.target, nameLength)
	if !strings.Contains(e.said.Sentence, target) {
		lines = append(lines, target)
	}
	lines = append(lines, explain.Within(e.said.Sentence, e.context), e.said.Hint)
	if e.failures > 1 {
		lines = append(lines, fmt.Sprintf("It failed %d times.", e.failures))
	}
	return titled(e.title, e.said.Title), lines
}

// connectionsText returns the text for several targets of a context, the latest first.
func (c *card) connectionsText() (title string, lines []string) {
	title = titled(c.entries[0].title, fmt.Sprintf("%d connections failed", c.total))
	shown := slices.Clone(c.entries)
	slices.Reverse(shown)
	for _, e := range shown[:min(len(shown), mostLines)] {
		lines = append(lines, explain.Plain(e.target, nameLength)+" – "+lowerFirst(e.said.Title))
	}
	switch more := len(shown) - mostLines; {
	case c.dropped:
		lines = append(lines, "and others")
	case more > 0:
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return title, append(lines, commonHint(shown))
}

// troubleText returns the text for one context as a whole.
func troubleText(e *entry) (title string, lines []string) {
	lines = []string{explain.Within(e.said.Sentence, e.context), e.said.Hint}
	if e.command != "" && !strings.Contains(e.said.Hint, e.command) {
		lines = append(lines, "To log in: "+e.command)
	}
	return titled(e.title, e.said.Title), append(lines, failedMeanwhile(e))
}

func failedMeanwhile(entries ...*entry) string {
	failures := 0
	for _, e := range entries {
		failures += e.failures
	}
	switch failures {
	case 0:
		return ""
	case 1:
		return "A connection failed because of it."
	}
	return fmt.Sprintf("%d connections failed because of it.", failures)
}

// groupText returns the text for several contexts with one cause.
func groupText(entries []*entry) (title string, lines []string) {
	cause := strings.Replace(lowerFirst(entries[0].said.Title), "API server ", "API servers ", 1)
	title = fmt.Sprintf("%d contexts: %s", len(entries), cause)
	entries = inOrder(entries)
	lines = []string{names(titlesOf(entries, "")) + "."}
	switch command, hint := commonCommand(entries), explain.ForSeveral(commonHint(entries)); {
	case command != "":
		lines = append(lines, "To log in: "+command)
	case entries[0].kind == Logins:
		for _, e := range entries[:min(len(entries), mostLines)] {
			if e.command != "" {
				lines = append(lines, explain.Plain(e.title, nameLength)+": "+e.command)
			}
		}
	case hint != "":
		lines = append(lines, hint)
	case entries[0].kind == Contexts && entries[0].said.Hint+entries[1].said.Hint != "":
		lines = append(lines, "Check this machine's network connection and the VPN first: that these came together may have one cause.")
	}
	return title, append(lines, failedMeanwhile(entries...))
}

// inOrder returns entries in the order of their titles, those of production contexts first.
func inOrder(entries []*entry) []*entry {
	rank := func(e *entry) int {
		if e.production {
			return 0
		}
		return 1
	}
	return slices.SortedStableFunc(slices.Values(entries), func(a, b *entry) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(strings.ToLower(a.title), strings.ToLower(b.title)))
	})
}

// othersText returns the text for contexts of which each has another trouble.
func othersText(entries []*entry) (title string, lines []string) {
	title = "1 more context has problems"
	if contexts := len(contextsOf(entries)); contexts != 1 {
		title = fmt.Sprintf("%d more contexts have problems", contexts)
	}
	seen := map[string]bool{}
	for _, e := range slices.Backward(entries) {
		if !seen[e.context] && len(seen) < mostLines {
			lines = append(lines, explain.Plain(e.title, nameLength)+": "+lowerFirst(e.said.Title))
		}
		seen[e.context] = true
	}
	if more := len(seen) - mostLines; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return title, lines
}

// startedText returns the text for contexts that are on.
func startedText(entries []*entry) (title string, lines []string) {
	if len(entries) == 1 {
		return titled(entries[0].title, "on"), []string{entries[0].url}
	}
	for _, e := range entries[:min(len(entries), mostNames)] {
		lines = append(lines, explain.Plain(e.title, nameLength)+": "+e.url)
	}
	if more := len(entries) - mostNames; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%d contexts are on", len(entries)), lines
}

// overText returns the text for contexts that work again.
func overText(entries []*entry) (title string, lines []string) {
	words := overWords(entries)
	if len(entries) == 1 {
		return titled(entries[0].title, words[0]), nil
	}
	if len(words) > 1 {
		words = []string{"working again"}
	}
	return fmt.Sprintf("%d contexts: %s", len(entries), words[0]), []string{names(titlesOf(entries, "")) + "."}
}

// overWords returns what is to be said of entries that are over, each word once.
func overWords(entries []*entry) (words []string) {
	for _, e := range entries {
		if word := cmp.Or(e.over, "working again"); !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	return words
}

// titlesOf returns the titles of the contexts of entries: of all, or of those of which over is said.
func titlesOf(entries []*entry, over string) (titles []string) {
	for _, e := range entries {
		if over == "" || cmp.Or(e.over, "working again") == over {
			titles = append(titles, e.title)
		}
	}
	return titles
}

// contextsOf returns the contexts of entries, each once.
func contextsOf(entries []*entry) (contexts []string) {
	for _, e := range entries {
		if !slices.Contains(contexts, e.context) {
			contexts = append(contexts, e.context)
		}
	}
	return contexts
}

// names lists the titles of contexts.
func names(contexts []string) string {
	var shown []string
	for _, name := range contexts[:min(len(contexts), mostNames)] {
		shown = append(shown, explain.Plain(name, nameLength))
	}
	last := shown[len(shown)-1]
	if more := len(contexts) - len(shown); more > 0 {
		last = fmt.Sprintf("%d more", more)
	} else {
		shown = shown[:len(shown)-1]
	}
	if len(shown) == 0 {
		return last
	}
	return strings.Join(shown, ", ") + " and " + last
}

// commonHint returns the hint that all entries have, or "".
func commonHint(entries []*entry) string {
	for _, e := range entries {
		if e.said.Hint != entries[0].said.Hint {
			return ""
		}
	}
	return entries[0].said.Hint
}

// commonCommand returns the login command that all entries have, or "".
func commonCommand(entries []*entry) string {
	for _, e := range entries {
		if e.command != entries[0].command {
			return ""
		}
	}
	if len(entries) == 0 {
		return ""
	}
	return entries[0].command
}

// actions returns what a card offers for the entries that still hold.
func (c *card) actions(running []*entry) []Action {
	switch {
	case c.topic.class == starts && len(running) == 1:
		return []Action{CopyURL}
	case c.topic.class == starts, len(running) == 0:
		return nil
	case c.topic.class == connections, c.topic.class == others:
		return []Action{CopyDetails, OpenLog}
	case running[0].kind == Logins && commonCommand(running) != "":
		return []Action{LogIn, CopyLogin, Retry}
	}
	return []Action{Retry, OpenLog}
}

// title returns the text of an action's button.
func (a Action) title() string {
	return map[Action]string{
		OpenLog: "Open log", CopyURL: "Copy URL", CopyDetails: "Copy details", CopyLogin: "Copy login command", LogIn: "Log in…", Retry: "Try again",
	}[a]
}

// message returns a notification that is not a failure.
func message(key, title, text string) Notification {
	return Notification{
		Icon: string(session.SignOn), Key: "message\x00" + key, Title: explain.Plain(title, titleLength), Body: body(strings.Split(text, "\n")),
	}
}

// body joins the lines that are not empty, each one cleaned.
func body(lines []string) string {
	var plain []string
	for _, line := range lines {
		if line = explain.Plain(line, lineLength); line != "" {
			plain = append(plain, line)
		}
	}
	return strings.Join(plain, "\n")
}
