package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// many means that there is no bound on the number of contexts.
const many = 1 << 20

// contexts returns the contexts that a command line names, by arguments or by --context. None stands for the current
// context of the kubeconfig.
func (o *Options) contexts(args []string) ([]string, error) {
	switch {
	case o.Context == "":
		return args, nil
	case len(args) > 0:
		return nil, &UsageError{fmt.Errorf("--context names the context already, so %q is one too many", args[0])}
	}
	return []string{o.Context}, nil
}

// contextAnd returns the context and the one other argument that a command line names; what describes that argument in
// errors, and isElse reports whether the first argument is it. The context may be missing, if it is named by
// --context or if the first argument is something else.
func (o *Options) contextAnd(what string, args []string, isElse func(string) bool) (context, other string, err error) {
	context = o.Context
	if context == "" && len(args) > 0 && !isElse(args[0]) {
		context, args = args[0], args[1:]
	}
	if len(args) > 1 {
		return "", "", &UsageError{fmt.Errorf("it takes a context and %s, and got %q as well", what, args[1])}
	}
	return context, append(args, "")[0], nil
}

func isURL(arg string) bool { return strings.Contains(arg, "://") }

// atMost allows at most that many contexts.
func atMost(most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > most {
			return &UsageError{fmt.Errorf("%s takes one context, and got %q as well", cmd.Name(), args[most])}
		}
		return nil
	}
}

// contextFlag gives a command the flag that names its context as kubectl's does.
func contextFlag(cmd *cobra.Command, actions Actions, o *Options) {
	cmd.Flags().StringVar(&o.Context, "context", "", "the `context`, as in kubectl, in place of an argument")
	_ = cmd.RegisterFlagCompletionFunc("context", names(actions.Names, o, many)) // the flag exists
}

func namespaceFlag(cmd *cobra.Command, o *Options, usage string) {
	cmd.Flags().StringVarP(&o.Namespace, "namespace", "n", "", usage)
}

func yesFlag(cmd *cobra.Command, o *Options) {
	cmd.Flags().BoolVarP(&o.Yes, "yes", "y", false, "do not ask before contexts of production start")
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

// noArgs refuses arguments. What may have been meant as a command is suggested.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	there := available(cmd)
	switch {
	case len(there) == 0:
		return &UsageError{fmt.Errorf("%s takes no argument, and got %q", cmd.Name(), args[0])}
	case cmd.Name() == "completion":
		return &UsageError{fmt.Errorf("no completion for %q: there are %s", args[0], strings.Join(there, ", "))}
	}
	cmd.SuggestionsMinimumDistance = 2
	if meant := cmd.SuggestionsFor(args[0]); len(meant) > 0 {
		return &UsageError{fmt.Errorf("unknown command %q: did you mean %s?", args[0], oneOf(meant))}
	}
	return &UsageError{fmt.Errorf("unknown command %q: there are %s", args[0], strings.Join(there, ", "))}
}

// available returns the names of cmd's subcommands.
func available(cmd *cobra.Command) []string {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}
