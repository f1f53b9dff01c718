package explain

import (
	"html"
	"strconv"
	"strings"
)

// page shows one failure. It refers to no other file and runs no script, so that it is complete, and follows the
// reader's choice of light or dark.
const page = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>TITLE</title>
<style>
:root { --text: #1b1f24; --quiet: #57606a; --paper: #fff; --line: #d0d7de; --mark: #b3261e }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --quiet: #9198a1; --paper: #15191f; --line: #3d444d; --mark: #ff8a80 }
}
body { margin: 0; background: var(--paper); color: var(--text); font: 17px/1.5 system-ui, sans-serif }
main { max-width: 38em; margin: 15vh auto 0; padding: 0 1.5em; overflow-wrap: anywhere }
h1 { font-size: 1.6em; margin: 0 0 .5em; border-left: .25em solid var(--mark); padding-left: .5em }
footer { margin-top: 2em; padding-top: .7em; border-top: 1px solid var(--line); color: var(--quiet); font-size: .8em }
</style>
</head>
<body>
<main>
<h1>TITLE</h1>
<p>SENTENCE</p>
<p>HINT</p>
<footer>This page is from Fairlead, the proxy that this browser uses, and not from the site. CODES</footer>
</main>
</body>
</html>
`

// Page returns the public part of the explanation as a small HTML page for a browser. It needs no other file and no
// script, and is light or dark like the reader's system. The zero Explanation has no page.
func (e Explanation) Page() string {
	if e == (Explanation{}) {
		return ""
	}
	text := page
	if e.PublicHint == "" {
		text = strings.Replace(text, "<p>HINT</p>\n", "", 1)
	}
	codes := "HTTP " + strconv.Itoa(e.Status)
	if e.ProxyStatus != "" {
		codes += ", " + e.ProxyStatus
	}
	// A single pass does not replace anything in what it inserts.
	return strings.NewReplacer(
		"TITLE", html.EscapeString(e.Title),
		"SENTENCE", html.EscapeString(e.PublicSentence),
		"HINT", html.EscapeString(e.PublicHint),
		"CODES", html.EscapeString(codes+"."),
	).Replace(text)
}
