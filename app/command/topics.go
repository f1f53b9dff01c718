package command

import (
	"embed"
	"strings"

	"github.com/spf13/cobra"
)

// texts are the help topics, each in a file whose first line is its title, and the descriptions of commands that need a
// page. A topic cannot have the name of a command.
//
//go:embed help/*.txt
var texts embed.FS

// text returns the text with this name.
func text(name string) string {
	content, err := texts.ReadFile("help/" + name + ".txt")
	if err != nil {
		panic(err) // the file is embedded, so a test would have failed
	}
	return string(content)
}

// topics returns the help topics: texts that "fairlead help NAME" prints, and that are pages of section 7 of the
// manual.
func topics() []*cobra.Command {
	var all []*cobra.Command
	for _, name := range []string{
		"access", "answers", "clients", "limits", "logins", "menu", "names", "rights", "routes", "security", "sidecar", "state",
	} {
		all = append(all, topic(name, text(name)))
	}
	return all
}

// topic returns a help topic in cobra's form: a command that cannot be run and has no subcommands.
func topic(name, text string) *cobra.Command {
	title, _, _ := strings.Cut(text, "\n")
	return &cobra.Command{Use: name, Short: title, Long: text}
}
