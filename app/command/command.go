// Package command parses Fairlead's command line: it defines the commands and flags, and the errors for wrong ones.
// Package main passes in what the commands do, as Actions.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Actions are the functions that carry out the commands. A command whose action is nil does not exist. A function that
// takes one name gets an empty one, and one that takes several gets none, for the current context of the kubeconfig.
type Actions struct {
	Tray    func(context.Context, Options) error
	Serve   func(ctx context.Context, o Options, contexts []string) error
	Gateway func(context.Context, Options) error

	List        func(context.Context, Options) error
	On          func(ctx context.Context, o Options, contexts []string) error
	Off         func(ctx context.Context, o Options, contexts []string) error
	Restart     func(ctx context.Context, o Options, contexts []string) error
	Status      func(context.Context, Options) error
	Connections func(ctx context.Context, o Options, contexts []string) error // without names, of all contexts
	Close       func(ctx context.Context, o Options, contexts []string) error
	Services    func(ctx context.Context, o Options, name string) error
	Env         func(ctx context.Context, o Options, name string) error
	Open        func(ctx context.Context, o Options, name, url string) error // url may be empty
	LogIn       func(ctx context.Context, o Options, name string) error
	Logs        func(context.Context, Options) error
	Forward     func(ctx context.Context, o Options, name string, wanted []Forward) error
	Forwards    func(ctx context.Context, o Options, contexts []string) error   // without names, of all contexts
	Unforward   func(ctx context.Context, o Options, name, what string) error   // name may be empty, which stands for any
	Doctor      func(ctx context.Context, o Options, name, target string) error // target may be empty
	Run         func(ctx context.Context, o Options, name string, r Program) error
	Quit        func(context.Context, Options) error

	EgressDeploy, EgressStatus, EgressRemove, EgressManifest func(ctx context.Context, o Options, name string) error

	SettingsExample, SettingsPath, SettingsCheck func(context.Context, Options) error

	Names   func(Options) []string // the context names that shell completion offers
	Running func(Options) []string // the names of contexts that are on
	For     func() []string        // the values of env's --for, for shell completion
	Fit     func(string) string    // makes the text of the help fit the terminal; nil leaves it as it is
	Version string
}

// Options are the flags of all commands. Each command uses those it has.
type Options struct {
	Kubeconfig string // if empty, KUBECONFIG or else ~/.kube/config, like kubectl
	Context    string // logs: only lines about it; otherwise it is passed to the action as its name
	Namespace  string // on, serve and doctor: of names without one; services: only this one; egress: where it is
	Image      string // egress: of the forward proxy; empty for the default
	Listen     string // serve: the address of the one context; gateway: of the proxy
	Health     string // serve and gateway: the address of /healthz and /readyz; empty for none
	Output     string // how to print: "" for people, or one of the formats that the command has
	NoHeaders  bool   // leave the titles of the columns out
	All        bool   // off and close: every context
	Yes        bool   // on, serve and egress: the user has confirmed what would be asked
	For        string // env: the shell, language or program; empty for the calling shell
	Browser    string // open: which one; empty for the preferred one
	Follow     bool   // logs: keep printing new lines
	Level      string // logs: only lines of this level and above
	Watch      bool   // status: print each change
	Background bool   // forward: in the running Fairlead
	HTTP       bool   // forward: the target is a web application
	Replace    bool   // forward: in the background, in place of another target
	Write      bool   // settings example: write to the settings file

	// serve: the Konnectivity server of the one context.
	Carrier                                                                                 string // empty for the settings', or "konnectivity"
	KonnectivityServer, KonnectivityCA, KonnectivityCert, KonnectivityKey, KonnectivityMode string
	DNS                                                                                     string

	// gateway: who is let in.
	TLSCert, TLSKey, ClientCA string // files; all three, or none
	PasswordFile              string
	AllowFrom                 string // networks, separated by commas

	// egress: what is deployed besides Image, and how clients prove who they are.
	Kind                                  string // "tinyproxy" or "fairlead"; empty for the former
	TLSSecret                             string // the name of a Secret that exists
	MutualTLS                             bool   // with certificates that are made
	UpstreamCA, UpstreamCert, UpstreamKey string // files, for TLSSecret
}

// A UsageError is a wrong command line. Its exit status is 2.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UsageError) Unwrap() error { return e.Err }

// Run parses args and runs the command that they name. For a wrong command line it returns a *UsageError, and otherwise
// the action's error.
func Run(ctx context.Context, actions Actions, args []string) error {
	cobra.MousetrapHelpText = "" // otherwise, started by a double click on Windows, it would ask to be run from cmd.exe, and end
	root := root(actions)
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

// Tree returns the whole command line with its help topics, for making the manual. Its commands do nothing.
func Tree() *cobra.Command {
	plain := func(context.Context, Options) error { return nil }
	named := func(context.Context, Options, string) error { return nil }
	listed := func(context.Context, Options, []string) error { return nil }
	both := func(context.Context, Options, string, string) error { return nil }
	return root(Actions{
		Tray: plain, Serve: listed, Gateway: plain, List: plain, On: listed, Off: listed, Restart: listed, Status: plain, Connections: listed, Close: listed,
		Services: named, Env: named, Open: both, LogIn: named, Logs: plain, Doctor: both, Quit: plain,
		Run:     func(context.Context, Options, string, Program) error { return nil },
		Forward: func(context.Context, Options, string, []Forward) error { return nil }, Forwards: listed, Unforward: both,
		EgressDeploy: named, EgressStatus: named, EgressRemove: named, EgressManifest: named,
		SettingsExample: plain, SettingsPath: plain, SettingsCheck: plain,
	})
}

func root(actions Actions) *cobra.Command {
	var o Options
	cmd := &cobra.Command{
		Use:   "fairlead",
		Short: "A proxy into each Kubernetes cluster of your kubeconfig, one click away",
		Long: "Fairlead sits in the panel and lists the contexts of your kubeconfig. A click on one starts a local\n" +
			"proxy (SOCKS5 and HTTP on one port) into that cluster; cluster names are resolved on the far side.\n" +
			"Nothing is installed in the cluster, unless you ask for an egress.\n\n" +
			"All commands take --kubeconfig, and read KUBECONFIG and ~/.kube/config as kubectl does. Where no context\n" +
			"is named, the kubeconfig's current one is meant. Tables are coloured only on a terminal, and not with\n" +
			"NO_COLOR. The exit status is 2 for a wrong command line or an unknown context, 3 where there is no\n" +
			"desktop, 4 where no Fairlead is running, and 1 for everything else that fails.",
		Args:          noArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asked, err := cmd.Flags().GetBool("version"); err != nil || asked {
				return errors.Join(err, printVersion(cmd, actions, &o))
			}
			return actions.Tray(cmd.Context(), o)
		},
	}
	cmd.Flags().Bool("version", false, "print the version")
	cmd.PersistentFlags().StringVar(&o.Kubeconfig, "kubeconfig", "", "kubeconfig `file` to use (default: KUBECONFIG, else ~/.kube/config)")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &UsageError{err} })
	for _, c := range []struct {
		there bool
		cmd   *cobra.Command
	}{
		{actions.Serve != nil, serve(actions, &o)},
		{actions.List != nil, list(actions, &o)},
		{actions.On != nil, on(actions, &o)},
		{actions.Off != nil, off(actions, &o)},
		{actions.Restart != nil, restart(actions, &o)},
		{actions.Status != nil, status(actions, &o)},
		{actions.Connections != nil, connections(actions, &o)},
		{actions.Close != nil, closeConnections(actions, &o)},
		{actions.Services != nil, services(actions, &o)},
		{actions.Env != nil, env(actions, &o)},
		{actions.Run != nil, run(actions, &o)},
		{actions.Forward != nil, forward(actions, &o)},
		{actions.Forwards != nil, forwards(actions, &o)},
		{actions.Unforward != nil, unforward(actions, &o)},
		{actions.EgressDeploy != nil, egress(actions, &o)},
		{actions.Open != nil, open(actions, &o)},
		{actions.LogIn != nil, login(actions, &o)},
		{actions.Logs != nil, logs(actions, &o)},
		{actions.Doctor != nil, doctor(actions, &o)},
		{actions.Gateway != nil, gateway(actions, &o)},
		{actions.SettingsExample != nil, settings(actions, &o)},
		{actions.Quit != nil, quit(actions, &o)},
		{true, version(actions, &o)},
	} {
		if c.there {
			cmd.AddCommand(c.cmd)
		}
	}
	cmd.AddCommand(topics()...)
	strictCompletion(cmd)
	strictHelp(cmd)
	fitHelp(cmd, actions.Fit)
	return cmd
}

// fitHelp makes cobra print its help as fit returns it.
func fitHelp(root *cobra.Command, fit func(string) string) {
	if fit == nil {
		return
	}
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		out := cmd.OutOrStdout()
		defer cmd.SetOut(out)
		var text strings.Builder
		cmd.SetOut(&text)
		help(cmd, args)
		_, _ = io.WriteString(out, fit(text.String())) // like cobra, which cannot report it
	})
}

// strictHelp makes cobra's own help command treat an unknown command as a usage error.
func strictHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "help" {
			continue
		}
		help := cmd.Run
		cmd.Run = nil
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if found, rest, err := root.Find(args); err != nil || found == root && len(rest) > 0 {
				return noArgs(root, args)
			}
			help(cmd, args)
			return nil
		}
	}
}

// strictCompletion makes cobra's own completion command treat an unknown shell as a usage error. By itself it prints
// its help.
func strictCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		cmd.Args = noArgs
		cmd.RunE = func(cmd *cobra.Command, _ []string) error {
			return &UsageError{fmt.Errorf("completion takes the name of a shell: %s", strings.Join(available(cmd), ", "))}
		}
	}
}

func serve(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve [CONTEXT...]",
		Short: "Run proxies in the foreground, without a tray",
		Long: "Run the proxies of the named contexts (default: the kubeconfig's current context) in the foreground,\n" +
			"and print one line for each: its name and its URL. Ctrl-C stops them. Before a production context starts,\n" +
			"it asks or, where there is no terminal to ask on, needs --yes.",
		Example:           "  fairlead serve staging\n  curl --proxy socks5h://127.0.0.1:1080 http://hello.default.svc.cluster.local/",
		ValidArgsFunction: names(actions.Names, o, many),
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := o.contexts(args)
			if err != nil {
				return err
			}
			if o.Listen != "" && len(names) > 1 {
				return &UsageError{fmt.Errorf("--listen is the address of one context, and %d are named", len(names))}
			}
			if err := o.checkKonnectivity(len(names)); err != nil {
				return err
			}
			return actions.Serve(cmd.Context(), *o, names)
		},
	}
	contextFlag(cmd, actions, o)
	namespaceFlag(cmd, o, "look up names without a namespace in this `namespace`, until this ends")
	yesFlag(cmd, o)
	konnectivityFlags(cmd, o)
	cmd.Flags().StringVar(&o.Health, "health", "", "`address` at which /healthz and /readyz are answered, such as 127.0.0.1:8092 (default: none)")
	cmd.Flags().StringVar(&o.Listen, "listen", "", "loopback `address` to listen on, with one context (default: 127.0.0.1 and the context's own port)")
	return cmd
}

// IsUsage reports whether err is a usage error.
func IsUsage(err error) bool {
	var usage *UsageError
	return errors.As(err, &usage)
}
