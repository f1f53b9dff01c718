package command

import (
	"errors"

	"github.com/spf13/cobra"
)

func egress(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "egress",
		Short: "Reach hosts outside from a context's cluster, through a forward proxy that is deployed there",
		Long:  text("egress"),
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(egressDeploy(actions, o), egressStatus(actions, o), egressRemove(actions, o), egressManifest(actions, o))
	for _, sub := range cmd.Commands() {
		sub.Args = atMost(1)
		sub.ValidArgsFunction = names(actions.Names, o, 1)
		contextFlag(sub, actions, o)
	}
	return cmd
}

// deployedFlags gives a command the flags that say what is deployed, and where.
func deployedFlags(cmd *cobra.Command, o *Options) {
	namespaceFlag(cmd, o, "the `namespace` that it is in (default: the context's)")
	flags := cmd.Flags()
	flags.StringVar(&o.Image, "image", "", "the `image`, with tinyproxy on its PATH (default: vimagick/tinyproxy), or with --kind fairlead Fairlead's")
	flags.StringVar(&o.Kind, "kind", "", "what is deployed: `program` tinyproxy, or fairlead, which is \"fairlead gateway\" (default: tinyproxy)")
	flags.StringVar(&o.TLSSecret, "tls-secret", "", "with --kind fairlead, the `name` of a Secret with tls.crt, tls.key and ca.crt: clients need a certificate of ca.crt")
}

// The values of --kind.
const kindTinyproxy, kindFairlead = "tinyproxy", "fairlead"

// checkDeployed returns a usage error for flags of what is deployed that do not go together.
func (o Options) checkDeployed() error {
	wrong := func(text string) error { return &UsageError{errors.New(text)} }
	secured := o.TLSSecret != "" || o.MutualTLS
	switch {
	case o.Kind != "" && o.Kind != kindTinyproxy && o.Kind != kindFairlead:
		return wrong("--kind is tinyproxy or fairlead")
	case o.Kind == kindFairlead && o.Image == "":
		return wrong("--kind fairlead needs --image REGISTRY/fairlead:TAG: \"task image\" makes the image, and no registry has it")
	case secured && o.Kind != kindFairlead:
		return wrong("--tls-secret and --mtls need --kind fairlead, because tinyproxy speaks no TLS")
	case o.TLSSecret != "" && o.MutualTLS:
		return wrong("--mtls makes a Secret of its own, so --tls-secret cannot name another")
	case (o.UpstreamCert == "") != (o.UpstreamKey == ""):
		return wrong("--cert and --key go together")
	case o.TLSSecret == "" && o.UpstreamCA+o.UpstreamCert != "":
		return wrong("--ca, --cert and --key are for a proxy with --tls-secret")
	}
	return nil
}

// checked returns what runs a command if the flags of what is deployed go together.
func checked(o *Options, run func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := o.checkDeployed(); err != nil {
			return err
		}
		return run(cmd, args)
	}
}

func egressDeploy(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deploy [CONTEXT]",
		Short: "Deploy a forward proxy in a context's cluster, and send hosts outside through it",
		Long: "Deploy a forward proxy in the cluster of a context (default: the kubeconfig's current context): one Deployment and\n" +
			"one Service, which are shown first. When it is ready, it becomes the context's route for hosts outside. In\n" +
			"production it asks twice. Where there is no terminal to ask on, --yes is needed.",
		Example: "  fairlead egress deploy staging\n  fairlead egress deploy staging -n tools --image registry.example/tinyproxy:1.11\n" +
			"  fairlead egress deploy staging --kind fairlead --image registry.example/fairlead:1 --mtls",
		RunE: checked(o, func(cmd *cobra.Command, args []string) error {
			if o.TLSSecret != "" && o.UpstreamCert == "" {
				return &UsageError{errors.New("--tls-secret needs --cert and --key, a client certificate of the authority in it, and --ca, the authority of the proxy's")}
			}
			return onContext(o, actions.EgressDeploy)(cmd, args)
		}),
	}
	deployedFlags(cmd, o)
	flags := cmd.Flags()
	flags.BoolVar(&o.MutualTLS, "mtls", false, "with --kind fairlead, make certificates: only this Fairlead is let in")
	flags.StringVar(&o.UpstreamCA, "ca", "", "with --tls-secret, `file` with the authority of the proxy's certificate (default: the system's)")
	flags.StringVar(&o.UpstreamCert, "cert", "", "with --tls-secret, `file` with the client certificate for the proxy")
	flags.StringVar(&o.UpstreamKey, "key", "", "with --tls-secret, `file` with the key of that certificate")
	flags.BoolVarP(&o.Yes, "yes", "y", false, "do not ask, not even in production")
	return cmd
}

func egressStatus(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [CONTEXT]",
		Short: "Show whether there is a forward proxy in a context's cluster, and how Pods use it",
		Long: "Show whether there is a forward proxy in the cluster of a context (default: the kubeconfig's current context) and\n" +
			"whether it is ready, and what a Pod's specification needs to use it.",
		RunE: onContext(o, actions.EgressStatus),
	}
	namespaceFlag(cmd, o, "the `namespace` to look in (default: where it was deployed, or the context's)")
	output(cmd, o, "json", "yaml")
	return cmd
}

func egressRemove(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove [CONTEXT]",
		Short: "Remove the forward proxy that was deployed in a context's cluster",
		Long: "Remove from the cluster of a context (default: the kubeconfig's current context) what \"fairlead egress deploy\" has\n" +
			"made there, and nothing else. The context's route for hosts outside is again what it was before.",
		RunE: onContext(o, actions.EgressRemove),
	}
	namespaceFlag(cmd, o, "the `namespace` that it is in (default: where it was deployed)")
	return cmd
}

func egressManifest(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "manifest [CONTEXT]",
		Short:   "Print what \"fairlead egress deploy\" would make, for someone who may",
		Long:    "Print what \"fairlead egress deploy\" would make in the cluster of a context (default: the kubeconfig's current\ncontext), as a manifest for \"kubectl apply\" by someone with the rights to make it. Nothing is sent to the cluster.",
		Example: "  fairlead egress manifest staging >egress.yaml",
		RunE:    checked(o, onContext(o, actions.EgressManifest)),
	}
	deployedFlags(cmd, o)
	return cmd
}
