package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// output gives a command the flag for its formats. One that it does not have is a usage error.
func output(cmd *cobra.Command, o *Options, formats ...string) {
	has := strings.Join(formats, ", ")
	cmd.Flags().StringVarP(&o.Output, "output", "o", "", "output `format`: "+has)
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if o.Output != "" && !slices.Contains(formats, o.Output) {
			return &UsageError{fmt.Errorf("unknown output format %q: use %s", o.Output, oneOf(formats))}
		}
		return nil
	}
}

// noHeaders gives a command that prints a table the flag that leaves its titles out.
func noHeaders(cmd *cobra.Command, o *Options) {
	cmd.Flags().BoolVar(&o.NoHeaders, "no-headers", false, "print no titles above the columns")
}

// oneOf returns words as a choice.
func oneOf(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
