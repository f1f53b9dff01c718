package command

import (
	"embed"
	"strings"

	"github.com/spf13/cobra"
)

// texts are the help topics, each a file whose first line is its title, and the descriptions of commands that need a
// page. A topic cannot have the name of a command.
//
//go:embed help/*.txt
var texts embed.FS

// text returns the text called name.
func text(name string) string {
	content, err := texts.ReadFile("help/" + name + ".txt")
	if err != nil {
		panic(err) // it is embedded, so a test has already failed
	}
	return string(content)
}

// topics returns the help topics: texts that "fairlead help NAME" prints, and that are pages of the manual's section 7.
func topics() []*cobra.Command {
	var all []*cobra.Command
	for _, name := range []string{
		"access", "answers", "clients", "limits", "logins", "menu", "names", "rights", "security", "state",
	} {
		all = append(all, topic(name, text(name)))
	}
	return all
}

// topic returns what cobra takes for a help topic: a command that cannot be run and has no others below it.
func topic(name, text string) *cobra.Command {
	title, _, _ := strings.Cut(text, "\n")
	return &cobra.Command{Use: name, Short: title, Long: text}
}
