package command

import (
	_ "embed"

	"github.com/spf13/cobra"
)

//go:embed help/security.txt
var securityText string

// topics returns the help topics: texts that "fairlead help NAME" prints, each from one file.
func topics() []*cobra.Command {
	return []*cobra.Command{
		topic("security", "What Fairlead protects from, what it does not, and the test of each", securityText),
	}
}

// topic returns what cobra takes for a help topic: a command that cannot be run and has no others below it.
func topic(name, short, text string) *cobra.Command {
	return &cobra.Command{Use: name, Short: short, Long: text}
}
