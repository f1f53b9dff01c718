package command

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func list(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"contexts", "ls"},
		Short:   "List contexts, their state and problems",
		Long: "List the contexts of the kubeconfig, with their state in the running Fairlead, their address, and what is wrong with\n" +
			"those that cannot be used.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return actions.List(cmd.Context(), *o) },
	}
	output(cmd, o, "json", "yaml", "wide", "name")
	noHeaders(cmd, o)
	return cmd
}

func status(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "status",
		Aliases: []string{"ps"},
		Short:   "Show running proxies, their addresses and traffic",
		Long: "Show the contexts that are on: where they listen, since when, and what they have carried.\n" +
			"The exit status is 4 when no Fairlead runs.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return actions.Status(cmd.Context(), *o) },
	}
	output(cmd, o, "json", "yaml", "wide", "name")
	noHeaders(cmd, o)
	cmd.Flags().BoolVarP(&o.Watch, "watch", "w", false, "show each change, until Ctrl-C or the end of Fairlead")
	return cmd
}

func connections(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "connections [CONTEXT...]",
		Short:             "List the open connections of running proxies",
		Long:              "List the open connections of contexts (default: all that are on): who opened them, their target, and what they\nhave carried.",
		ValidArgsFunction: names(actions.Running, o, many),
		RunE:              onContexts(o, actions.Connections),
	}
	contextFlag(cmd, actions, o)
	output(cmd, o, "json", "yaml", "wide")
	noHeaders(cmd, o)
	return cmd
}

func services(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "services [CONTEXT]",
		Aliases: []string{"svc"},
		Short:   "List a cluster's Services and their addresses",
		Long: "List the Services in the cluster of a context that is on (default: the kubeconfig's current context), with the\n" +
			"addresses that its proxy knows them by.",
		Example:           "  fairlead services staging -n shop",
		Args:              atMost(1),
		ValidArgsFunction: names(actions.Running, o, 1),
		RunE:              onContext(o, actions.Services),
	}
	contextFlag(cmd, actions, o)
	namespaceFlag(cmd, o, "only the Services of this `namespace` (default: of all)")
	output(cmd, o, "json", "yaml", "name")
	noHeaders(cmd, o)
	return cmd
}

// levels are the levels of log lines, the least important first.
var levels = []string{"debug", "info", "warn", "error"}

func logs(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "logs",
		Short: "Show the end of the log",
		Long: "Show the end of the log. It has every connection, with hosts, ports and sizes, but no paths; secrets in\n" +
			"text of other programs are masked. \"fairlead help state\" says where the file is.",
		Example: "  fairlead logs -f --context staging --level warn",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Level != "" && !slices.Contains(levels, o.Level) {
				return &UsageError{fmt.Errorf("unknown level %q: use %s", o.Level, oneOf(levels))}
			}
			return actions.Logs(cmd.Context(), *o)
		},
	}
	output(cmd, o, "json")
	contextFlag(cmd, actions, o)
	cmd.Flags().Lookup("context").Usage = "only lines about this `context`"
	cmd.Flags().StringVar(&o.Level, "level", "", "only lines of this `level` and above: "+strings.Join(levels, ", "))
	_ = cmd.RegisterFlagCompletionFunc("level", cobra.FixedCompletions(levels, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	cmd.Flags().BoolVarP(&o.Follow, "follow", "f", false, "follow the log, until Ctrl-C")
	return cmd
}

func doctor(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor [CONTEXT] [TARGET]",
		Short: "Check each step of the connection to a cluster or target",
		Long: "Check the path into a context's cluster (default: the kubeconfig's current context) step by step: the kubeconfig,\n" +
			"the credentials, the API server and the user's rights and, with a TARGET (HOST or HOST:PORT, as a client would\n" +
			"ask for it; PORT may be a name), its Service, its endpoints, a Pod and the port. A host outside the cluster is\n" +
			"reached as the proxy would reach it. The check stops where the path breaks, and says what to do.",
		Example:           "  fairlead doctor staging\n  fairlead doctor staging hello.default:80\n  fairlead doctor --context staging -n shop hello",
		ValidArgsFunction: names(actions.Names, o, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, target, err := o.contextAnd("a target", args, func(string) bool { return false })
			if err != nil {
				return err
			}
			return actions.Doctor(cmd.Context(), *o, name, target)
		},
	}
	contextFlag(cmd, actions, o)
	namespaceFlag(cmd, o, "look up a target without a namespace in this `namespace`")
	output(cmd, o, "json", "yaml")
	return cmd
}

func settings(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "settings",
		Short: "Show an example of the settings file, where it is, or what is wrong in it",
		Long:  text("settings"),
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	example := &cobra.Command{
		Use:     "example",
		Short:   "Print a settings file that explains every setting, with its default",
		Example: "  fairlead settings example --write",
		RunE:    func(cmd *cobra.Command, _ []string) error { return actions.SettingsExample(cmd.Context(), *o) },
	}
	example.Flags().BoolVar(&o.Write, "write", false, "write it where the settings file belongs, if there is none")
	for _, sub := range []*cobra.Command{
		example,
		{
			Use:   "path",
			Short: "Print where the settings file is",
			RunE:  func(cmd *cobra.Command, _ []string) error { return actions.SettingsPath(cmd.Context(), *o) },
		},
		{
			Use:   "check",
			Short: "Check the settings file, and say what is wrong in which line",
			RunE:  func(cmd *cobra.Command, _ []string) error { return actions.SettingsCheck(cmd.Context(), *o) },
		},
	} {
		sub.Args = noArgs
		cmd.AddCommand(sub)
	}
	return cmd
}

func version(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return printVersion(cmd, actions, o) },
	}
	output(cmd, o, "json", "yaml")
	return cmd
}

func printVersion(cmd *cobra.Command, actions Actions, o *Options) error {
	var err error
	switch w := cmd.OutOrStdout(); o.Output {
	case "json":
		indented := json.NewEncoder(w)
		indented.SetIndent("", "  ")
		err = indented.Encode(map[string]string{"version": actions.Version})
	case "yaml":
		_, err = fmt.Fprintf(w, "version: %q\n", actions.Version)
	default:
		_, err = fmt.Fprintln(w, actions.Version)
	}
	return err
}
