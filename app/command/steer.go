package command

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
)

func on(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "on [CONTEXT...]",
		Aliases: []string{"start"},
		Short:   "Start the proxies of contexts and print their URLs",
		Long: "Start the proxies of contexts (default: the kubeconfig's current context) in the running Fairlead and print\n" +
			"their URLs.",
		Example:           "  fairlead on staging\n  fairlead on --yes --namespace shop prod-eu",
		ValidArgsFunction: names(actions.Names, o, many),
		RunE:              onContexts(o, actions.On),
	}
	contextFlag(cmd, actions, o)
	namespaceFlag(cmd, o, "look up names without a namespace in this `namespace`, which is kept as if chosen in the menu")
	yesFlag(cmd, o)
	return cmd
}

func off(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "off CONTEXT... | --all",
		Aliases:           []string{"stop"},
		Short:             "Stop the proxies of contexts",
		Long:              "Stop the proxies of contexts in the running Fairlead. Their connections are closed, and they are not on again at\nthe next start.",
		ValidArgsFunction: names(actions.Running, o, many),
		RunE:              onContextsOrAll(o, "switch off", actions.Off),
	}
	contextFlag(cmd, actions, o)
	cmd.Flags().BoolVarP(&o.All, "all", "a", false, "every context")
	return cmd
}

func restart(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restart [CONTEXT...]",
		Short: "Restart the proxies of contexts",
		Long: "Stop the proxies of contexts (default: the kubeconfig's current context) that are on or have failed, start them\n" +
			"again, and print their URLs. Their connections are closed.",
		ValidArgsFunction: names(actions.Running, o, many),
		RunE:              onContexts(o, actions.Restart),
	}
	contextFlag(cmd, actions, o)
	return cmd
}

func closeConnections(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "close CONTEXT... | --all",
		Short:             "Close the open connections of running proxies",
		Long:              "Close the open connections of contexts. The proxies stay on.",
		ValidArgsFunction: names(actions.Running, o, many),
		RunE:              onContextsOrAll(o, "close connections of", actions.Close),
	}
	contextFlag(cmd, actions, o)
	cmd.Flags().BoolVarP(&o.All, "all", "a", false, "of every context")
	return cmd
}

func login(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "login [CONTEXT]",
		Short: "Log in to a context's cluster again",
		Long: "Drop the credentials of a context that is on (default: the kubeconfig's current context), fetch new ones from its\n" +
			"credential plugin, and check that the API server accepts them. If you have to do something yourself, the answer\n" +
			"says what.",
		Args:              atMost(1),
		ValidArgsFunction: names(actions.Running, o, 1),
		RunE:              onContext(o, actions.LogIn),
	}
	contextFlag(cmd, actions, o)
	return cmd
}

func quit(actions Actions, o *Options) *cobra.Command {
	return &cobra.Command{
		Use:   "quit",
		Short: "Quit the running Fairlead",
		Long:  "Quit the running Fairlead, in the panel or in the foreground. What was on in the panel is on again at its next\nstart.",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return actions.Quit(cmd.Context(), *o) },
	}
}

func env(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "env [CONTEXT]",
		Short: "Print the shell commands that route a program through a context's proxy",
		Long: "Print the shell commands, or the lines of a program or a language, that route it through the proxy of a context\n" +
			"that is on (default: the kubeconfig's current context). For a resolver, print what makes it send the names of the\n" +
			"cluster's domain, and no others, to the context's nameserver (fairlead help names). Nothing is changed by itself.",
		Example: "  eval \"$(fairlead env staging)\"\n  fairlead env staging --for fish | source\n  fairlead env staging --for java\n" +
			"  fairlead env staging --for dnsmasq",
		Args:              atMost(1),
		ValidArgsFunction: names(actions.Names, o, 1),
		RunE:              onContext(o, actions.Env),
	}
	contextFlag(cmd, actions, o)
	cmd.Flags().StringVar(&o.For, "for", "", "the shell, language, resolver or `program` (default: this shell)")
	if actions.For != nil {
		_ = cmd.RegisterFlagCompletionFunc("for", cobra.FixedCompletions(actions.For(), cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	}
	return cmd
}

func open(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "open [CONTEXT] [URL]",
		Short: "Open a browser inside a context's cluster",
		Long: "Open a browser window inside the cluster of a context that is on (default: the kubeconfig's current context), at a\n" +
			"URL or at the proxy's own page.",
		Example:           "  fairlead open staging\n  fairlead open staging http://grafana.monitoring --browser firefox",
		ValidArgsFunction: names(actions.Names, o, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, url, err := o.contextAnd("a URL", args, isURL)
			if err != nil {
				return err
			}
			return actions.Open(cmd.Context(), *o, name, url)
		},
	}
	contextFlag(cmd, actions, o)
	cmd.Flags().StringVar(&o.Browser, "browser", "", "the `browser`: chromium, chrome, edge, brave or firefox (default: the one in the settings, or the first)")
	return cmd
}

// onContexts returns what a command for any number of contexts runs.
func onContexts(o *Options, do func(context.Context, Options, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		names, err := o.contexts(args)
		if err != nil {
			return err
		}
		return do(cmd.Context(), *o, names)
	}
}

// onContextsOrAll is like onContexts, for a command that takes --all, or at least one context.
func onContextsOrAll(o *Options, verb string, do func(context.Context, Options, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		names, err := o.contexts(args)
		switch {
		case err != nil:
			return err
		case len(names) == 0 && !o.All:
			return &UsageError{errors.New("name the contexts to " + verb + ", or say --all")}
		case len(names) > 0 && o.All:
			return &UsageError{errors.New("--all stands for every context, so it takes no names")}
		}
		return do(cmd.Context(), *o, names)
	}
}

// onContext returns what a command for one context runs. Without a name do is called with an empty one.
func onContext(o *Options, do func(context.Context, Options, string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		names, err := o.contexts(args)
		if err != nil {
			return err
		}
		return do(cmd.Context(), *o, append(names, "")[0])
	}
}
