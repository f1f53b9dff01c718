package notify

import "strings"

// defuse takes from text what the scripts mean something by through which Windows and macOS can be told to show it: on
// Windows an XML CDATA section inside a PowerShell here-string that expands, on macOS a command line and AppleScript.
func defuse(text string) string {
	text = strings.Map(func(r rune) rune {
		switch r {
		case '$', '`', '\\', '<', '>':
			return '?'
		case '"', '\u201c', '\u201d', '\u201e': // PowerShell takes these for the same
			return '\''
		}
		return r
	}, text)
	// terminal-notifier takes a first "-" for an option and fails on a first "[".
	if strings.HasPrefix(text, "-") || strings.HasPrefix(text, "[") {
		text = " " + text
	}
	return text
}
