package command

import (
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
	cmd.Flags().StringVar(&o.Image, "image", "", "the `image` of tinyproxy, on whose PATH the program is (default: vimagick/tinyproxy)")
}

func egressDeploy(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deploy [CONTEXT]",
		Short: "Deploy a forward proxy in a context's cluster, and send hosts outside through it",
		Long: "Deploy a forward proxy in the cluster of a context (default: the kubeconfig's current context): one Deployment and\n" +
			"one Service, which are shown first. When it is ready, it becomes the context's route for hosts outside. In\n" +
			"production it asks twice. Where there is no terminal to ask on, --yes is needed.",
		Example: "  fairlead egress deploy staging\n  fairlead egress deploy staging -n tools --image registry.example/tinyproxy:1.11",
		RunE:    onContext(o, actions.EgressDeploy),
	}
	deployedFlags(cmd, o)
	cmd.Flags().BoolVarP(&o.Yes, "yes", "y", false, "do not ask, not even in production")
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
		RunE:    onContext(o, actions.EgressManifest),
	}
	deployedFlags(cmd, o)
	return cmd
}
