package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

// options are the launcher's command line.
type options struct {
	state         string
	json          bool
	fixtures      bool
	webSockets    string
	controllers   bool
	audit         bool
	crowd         int
	exitWithStdin bool

	node          string
	containerd    string
	containerdDir string
	program       string
}

// Kinds of node.
const (
	streamingNode = "streaming"
	realNode      = "real"
)

func parse(args []string, usage io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.Usage = func() {
		fmt.Fprint(usage, "Usage: cluster [flags]\n"+
			"       cluster kubectl|etcd|kube-apiserver|kube-controller-manager|kube-scheduler [arguments]\n\n"+
			"Starts a Kubernetes cluster on this machine and runs until Ctrl-C.\n\n")
		flags.PrintDefaults()
	}
	flags.StringVar(&o.state, "state", "", "`directory` of data, credentials and logs; it must be empty, absent, or an "+
		"earlier cluster's (default: a fresh one, removed at the end)")
	flags.BoolVar(&o.json, "json", false, "print one line of JSON when ready")
	flags.BoolVar(&o.fixtures, "fixtures", true, "make the workloads of the demonstration")
	flags.StringVar(&o.webSockets, "websockets", "passthrough", "how WebSocket upgrades reach the node: passthrough, or "+
		"translated to SPDY by the API server")
	flags.BoolVar(&o.controllers, "controllers", true, "run the controller manager and the scheduler; without them there "+
		"are no workloads")
	flags.BoolVar(&o.audit, "audit", false, "write the API server's audit log to audit.log in the state directory")
	flags.IntVar(&o.crowd, "crowd", 0, "begin with so many `Services`, each with two Pods, a tenth of them real, in namespaces "+
		"crowd-000 and so on; they are written straight into etcd")
	flags.BoolVar(&o.exitWithStdin, "exit-with-stdin", false, "stop when standard input is closed")
	flags.StringVar(&o.node, "node", streamingNode, "the `kind` of node: streaming, whose Pods are programs in this process, or "+
		"real: kubelet, containerd, runc and a CNI bridge, in namespaces of their own (root, Linux)")
	flags.StringVar(&o.containerd, "containerd", "1.6", "the `version` of containerd of the real node: 1.6, or 2.2")
	flags.StringVar(&o.containerdDir, "containerd-dir", "", "`directory` of containerd's programs (default: PATH)")
	flags.StringVar(&o.program, "program", "", "static `executable` that the images of the real node are made of (package program/run)")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("argument %q: there are only flags, see --help", flags.Arg(0))
	}
	if o.webSockets != "passthrough" && o.webSockets != "translated" {
		return options{}, fmt.Errorf("--websockets=%s: neither passthrough nor translated", o.webSockets)
	}
	if o.crowd < 0 || o.crowd > 60_000 {
		return options{}, fmt.Errorf("--crowd=%d: the addresses of Services last for 60000", o.crowd)
	}
	if !o.controllers {
		o.fixtures = false
	}
	return o, o.checkNode()
}

func (o options) checkNode() error {
	switch {
	case o.node == streamingNode:
		return nil
	case o.node != realNode:
		return fmt.Errorf("--node=%s: neither streaming nor real", o.node)
	case o.crowd > 0:
		return errors.New("--crowd: a crowd needs the streaming node")
	case o.program == "":
		return errors.New("--node=real needs --program; build/clustertest/run makes one")
	}
	return nil
}

// isHelp reports whether the usage was requested, and so printed.
func isHelp(err error) bool { return errors.Is(err, flag.ErrHelp) }
