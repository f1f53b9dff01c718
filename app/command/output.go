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
			return &UsageError{fmt.Errorf("unknown output format %q: there is %s", o.Output, has)}
		}
		return nil
	}
}

// noHeaders gives a command that prints a table the flag that leaves its titles out.
func noHeaders(cmd *cobra.Command, o *Options) {
	cmd.Flags().BoolVar(&o.NoHeaders, "no-headers", false, "print no titles above the columns")
}
