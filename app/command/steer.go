package command

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
)

func list(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"contexts", "ls"},
		Short:   "List the contexts, their state, and what is wrong with those that cannot be used",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return actions.List(cmd.Context(), *o) },
	}
	output(cmd, o, "json", "yaml", "wide", "name")
	noHeaders(cmd, o)
	return cmd
}

func on(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "on CONTEXT...",
		Short:             "Switch contexts on in the running Fairlead, and print their URLs",
		Args:              contexts(1, many),
		ValidArgsFunction: names(actions.Names, o, many),
		RunE:              func(cmd *cobra.Command, names []string) error { return actions.On(cmd.Context(), *o, names) },
	}
	cmd.Flags().BoolVarP(&o.Yes, "yes", "y", false, "also contexts that are marked as production")
	return cmd
}

func off(actions Actions, o *Options) *cobra.Command {
	running := actions.Running
	if running == nil {
		running = actions.Names
	}
	cmd := &cobra.Command{
		Use:               "off CONTEXT... | --all",
		Short:             "Switch contexts off in the running Fairlead",
		Args:              contexts(0, many),
		ValidArgsFunction: names(running, o, many),
		RunE: func(cmd *cobra.Command, names []string) error {
			switch {
			case len(names) == 0 && !o.All:
				return &UsageError{errors.New("name the contexts to switch off, or say --all")}
			case len(names) > 0 && o.All:
				return &UsageError{errors.New("--all stands for every context, so it takes no names")}
			}
			return actions.Off(cmd.Context(), *o, names)
		},
	}
	cmd.Flags().BoolVarP(&o.All, "all", "a", false, "every context")
	return cmd
}

func status(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what runs, where it listens and what it has carried",
		Long: "Show the contexts that are on: where they listen, since when, and what they have carried.\n" +
			"The exit status is 4 when no Fairlead runs.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return actions.Status(cmd.Context(), *o) },
	}
	output(cmd, o, "json", "yaml", "wide", "name")
	noHeaders(cmd, o)
	return cmd
}

func env(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "env CONTEXT",
		Short:             "Print what makes a shell or another program use a context's proxy",
		Example:           "  eval \"$(fairlead env staging)\"\n  fairlead env staging --for fish | source\n  fairlead env staging --for java",
		Args:              contexts(1, 1),
		ValidArgsFunction: names(actions.Names, o, 1),
		RunE:              func(cmd *cobra.Command, names []string) error { return actions.Env(cmd.Context(), *o, names[0]) },
	}
	cmd.Flags().StringVar(&o.For, "for", "", "the shell, language or `program` (default: this shell)")
	if actions.For != nil {
		_ = cmd.RegisterFlagCompletionFunc("for", cobra.FixedCompletions(actions.For(), cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	}
	return cmd
}

func open(actions Actions, o *Options) *cobra.Command {
	return &cobra.Command{
		Use:               "open CONTEXT",
		Short:             "Open a browser that is inside a context's cluster",
		Args:              contexts(1, 1),
		ValidArgsFunction: names(actions.Names, o, 1),
		RunE:              func(cmd *cobra.Command, names []string) error { return actions.Open(cmd.Context(), *o, names[0]) },
	}
}

// many means that there is no bound on the number of contexts.
const many = 1 << 20

// contexts requires a number of context names from least to most.
func contexts(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return &UsageError{fmt.Errorf("%s takes the name of a context (fairlead list shows them)", cmd.Name())}
		case len(args) > most:
			return &UsageError{fmt.Errorf("%s takes one context, and got %q as well", cmd.Name(), args[most])}
		}
		return nil
	}
}

// names completes up to a number of context names, and offers none twice.
func names(of func(Options) []string, o *Options, most int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if of == nil || len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		left := slices.DeleteFunc(of(*o), func(name string) bool { return slices.Contains(args, name) })
		return left, cobra.ShellCompDirectiveNoFileComp
	}
}
