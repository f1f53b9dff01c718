package command

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// A Forward is a fixed local port, as a command line asks for it.
type Forward struct {
	Local string // a port or an address with one, of this machine
	Kind  string // of kubectl's objects: "service", "pod", "deployment" or another workload; "" for a host name
	Name  string // of the object, or the host
	Port  string // a number or a name
}

// Target returns the host and port of the target. namespace is that of an object.
func (f Forward) Target(namespace string) string {
	host := f.Name
	switch f.Kind {
	case "service":
		host = f.Name + "." + namespace + ".svc"
	case "pod":
		host = f.Name + "." + namespace + ".pod"
	case "":
	default:
		host = f.Name + "." + namespace + "." + f.Kind + ".apps"
	}
	return net.JoinHostPort(host, f.Port)
}

// kinds maps kubectl's names of the kinds to which a port can be forwarded to one name for each.
var kinds = map[string]string{
	"svc": "service", "service": "service", "services": "service", "po": "pod", "pod": "pod", "pods": "pod",
	"deploy": "deployment", "deployment": "deployment", "deployments": "deployment", "sts": "statefulset", "statefulset": "statefulset",
	"statefulsets": "statefulset", "rs": "replicaset", "replicaset": "replicaset", "replicasets": "replicaset",
	"ds": "daemonset", "daemonset": "daemonset", "daemonsets": "daemonset",
}

// isObject reports whether an argument names an object as kubectl does: svc/db.
func isObject(arg string) bool {
	kind, name, ok := strings.Cut(arg, "/")
	return ok && name != "" && kinds[kind] != ""
}

// beginsWithTarget reports whether arguments begin with a target, and not with the name of a context: an object, or a host
// with its port that nothing but a local port follows.
func beginsWithTarget(args []string) bool {
	return len(args) > 0 && (isObject(args[0]) || isAddress(args[0]) && (len(args) == 1 || len(args) == 2 && isLocal(args[1])))
}

// isAddress reports whether an argument is a host and a port. Names of contexts may have colons, too, but end otherwise.
func isAddress(arg string) bool {
	host, port, err := net.SplitHostPort(arg)
	return err == nil && host != "" && port != "" && !strings.ContainsAny(arg, "/@")
}

// isLocal reports whether an argument is a port, or an address of a machine with one.
func isLocal(arg string) bool {
	if host, port, err := net.SplitHostPort(arg); err == nil && port != "" && (host == "localhost" || net.ParseIP(host) != nil) {
		arg = port
	}
	return isNumber(arg)
}

func isNumber(arg string) bool { return strings.Trim(arg, "0123456789") == "" }

// parseForwards parses a target and the local ports that lead to it.
func parseForwards(name string, args []string) ([]Forward, error) {
	const example = "such as db.billing:5432, or svc/db 5432"
	switch {
	case len(args) == 0 && name == "":
		return nil, errors.New("name a target, " + example)
	case len(args) == 0:
		return nil, fmt.Errorf("name a target of context %s, %s", name, example)
	case isNumber(args[0]):
		return nil, fmt.Errorf("%s is a port and no target: name a host with its port, or an object and its port, %s", args[0], example)
	}
	f := Forward{Name: args[0]}
	if kind, name, ok := strings.Cut(args[0], "/"); ok {
		if f.Kind, f.Name = kinds[kind], name; f.Kind == "" || name == "" {
			return nil, fmt.Errorf("%s is neither a host, nor svc/NAME, pod/NAME or deploy/NAME", args[0])
		}
	} else if host, port, err := net.SplitHostPort(args[0]); err == nil {
		f.Name, f.Port = host, port
		return withLocal(f, args[1:])
	}
	if len(args) == 1 {
		return nil, fmt.Errorf("%s needs a port: %s PORT, or %s LOCAL:PORT", args[0], args[0], args[0])
	}
	var all []Forward
	for _, ports := range args[1:] {
		each := f
		if at := strings.LastIndexByte(ports, ':'); at >= 0 {
			each.Local, each.Port = ports[:at], ports[at+1:]
		} else {
			each.Local, each.Port = ports, ports
		}
		if err := each.checkLocal(); err != nil {
			return nil, err
		}
		all = append(all, each)
	}
	return all, nil
}

// withLocal returns the forward to a target with a port, from the local port in args or, by default, the same number.
func withLocal(f Forward, args []string) ([]Forward, error) {
	if len(args) > 1 {
		return nil, fmt.Errorf("forward takes a target and one local port, and got %q as well", args[1])
	}
	f.Local = f.Port
	if len(args) == 1 {
		f.Local = args[0]
	}
	return []Forward{f}, f.checkLocal()
}

// checkLocal returns an error unless a local port is named. One that the system picks would change from run to run.
func (f Forward) checkLocal() error {
	if f.Local == "" || f.Local == "0" {
		return errors.New("name a local port that is not 0, because it must stay the same")
	}
	if _, err := strconv.Atoi(f.Local); err != nil && f.Local == f.Port {
		return fmt.Errorf("name a local port, because the target's port %s is not a number", f.Port)
	}
	return nil
}

func forward(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "forward [CONTEXT] TARGET [LOCAL]",
		Short: "Forward a port of this machine to one target of a context",
		Long: "Forward a port of this machine to one target of a context (default: the kubeconfig's current context), for a program\n" +
			"that knows no proxy: in the foreground until Ctrl-C or, with --background, in the running Fairlead until\n" +
			"\"fairlead unforward\". A TARGET is HOST:PORT as the proxy knows it, or an object and ports as in kubectl. LOCAL is a\n" +
			"port, or a loopback address with one (default: the target's number). A port that is taken is an error.\n\n" +
			"\"fairlead help forwards\" says more.",
		Example: "  fairlead forward staging db.billing:5432\n  fairlead forward staging -n billing svc/db 15432:5432\n" +
			"  fairlead forward staging web.shop:https 8443 --http --background",
		ValidArgsFunction: names(actions.Names, o, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := o.Context
			if name == "" && len(args) > 0 && !beginsWithTarget(args) {
				name, args = args[0], args[1:]
			}
			wanted, err := parseForwards(name, args)
			if err == nil && o.Replace && !o.Background {
				err = errors.New("--replace is for --background: in the foreground there is nothing to replace")
			}
			if err != nil {
				return &UsageError{err}
			}
			return actions.Forward(cmd.Context(), *o, name, wanted)
		},
	}
	contextFlag(cmd, actions, o)
	namespaceFlag(cmd, o, "the `namespace` of an object, and of names without one")
	yesFlag(cmd, o)
	cmd.Flags().BoolVar(&o.Background, "background", false, "in the running Fairlead, which keeps it")
	cmd.Flags().BoolVar(&o.Replace, "replace", false, "with --background: in place of another target that LOCAL leads to")
	cmd.Flags().BoolVar(&o.HTTP, "http", false, "the target is a web application: its requests get its own name as their Host")
	return cmd
}

func forwards(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "forwards [CONTEXT...]",
		Short:             "List the ports of this machine that are forwarded",
		Long:              text("forwards"),
		ValidArgsFunction: names(actions.Names, o, many),
		RunE:              onContexts(o, actions.Forwards),
	}
	contextFlag(cmd, actions, o)
	output(cmd, o, "json", "yaml", "wide", "name")
	noHeaders(cmd, o)
	return cmd
}

func unforward(actions Actions, o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "unforward [CONTEXT] LOCAL",
		Short:             "Stop forwarding a port of this machine",
		Long:              "Stop forwarding a port of this machine, which is named by its number, its address or its target. Its connections are\nclosed. A port that is in the settings file is removed there.",
		Example:           "  fairlead unforward 5432\n  fairlead unforward staging db.billing:5432",
		ValidArgsFunction: names(actions.Names, o, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := o.Context
			if name == "" && len(args) > 1 {
				name, args = args[0], args[1:]
			}
			if len(args) != 1 {
				return &UsageError{errors.New("name one local port: its number, its address or its target")}
			}
			return actions.Unforward(cmd.Context(), *o, name, args[0])
		},
	}
	contextFlag(cmd, actions, o)
	return cmd
}
