package notify

import "strings"

// defuse removes characters with a special meaning in the scripts that show notifications on Windows and macOS. On
// Windows the text is in an XML CDATA section inside an expanding PowerShell here-string; on macOS it is in a command
// line and in AppleScript.
func defuse(text string) string {
	text = strings.Map(func(r rune) rune {
		switch r {
		case '$', '`', '\\', '<', '>':
			return '?'
		case '"', '\u201c', '\u201d', '\u201e': // PowerShell treats these alike
			return '\''
		}
		return r
	}, text)
	// terminal-notifier treats a leading "-" as an option, and fails on a leading "[".
	if strings.HasPrefix(text, "-") || strings.HasPrefix(text, "[") {
		text = " " + text
	}
	return text
}
