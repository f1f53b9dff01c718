package command

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func logs(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "logs",
		Short: "Show the end of the log",
		Long: "Show the end of the log. It has every connection, with hosts, ports and sizes, but no paths; secrets in\n" +
			"text of other programs are masked. \"fairlead help state\" says where the file is.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return actions.Logs(cmd.Context(), *o) },
	}
	output(cmd, o, "json")
	cmd.Flags().BoolVarP(&o.Follow, "follow", "f", false, "keep printing new lines, until Ctrl-C")
	return cmd
}

func doctor(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor CONTEXT [TARGET]",
		Short: "Check the path into a cluster, or to one target in it, and show where it breaks",
		Long: "Check the path into a context's cluster step by step: the kubeconfig, the credentials, the API server and the\n" +
			"user's rights and, with a TARGET (HOST or HOST:PORT, as a client would ask for it), its Service, its\n" +
			"endpoints, a Pod and the port. A host outside the cluster is reached as the proxy would reach it. The check\n" +
			"stops where the path breaks, and says what to do.",
		Example:           "  fairlead doctor staging\n  fairlead doctor staging hello.default:80",
		Args:              doctorArgs,
		ValidArgsFunction: names(actions.Names, o, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			target := ""
			if len(args) == 2 {
				target = args[1]
			}
			return actions.Doctor(cmd.Context(), *o, args[0], target)
		},
	}
	output(cmd, o, "json", "yaml")
	return cmd
}

func doctorArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 2 {
		return &UsageError{fmt.Errorf("%s takes a context and a target, and got %q as well", cmd.Name(), args[2])}
	}
	return contexts(1, 2)(cmd, args)
}

func settings(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "settings",
		Short: "Show an example of the settings file, where it is, or what is wrong in it",
		Long:  text("settings"),
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			return &UsageError{errors.New("settings needs a subcommand: example, path or check")}
		},
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
			Short: "Say what is wrong in the settings file, with lines",
			RunE:  func(cmd *cobra.Command, _ []string) error { return actions.SettingsCheck(cmd.Context(), *o) },
		},
	} {
		sub.Args = noArgs
		cmd.AddCommand(sub)
	}
	return cmd
}
