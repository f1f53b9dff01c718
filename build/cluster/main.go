// Command cluster is a real Kubernetes on one machine, without root, in one binary: etcd, the API server, the
// controller manager, the scheduler, kubectl and, on Linux, the kubelet, chosen by the first argument or by the name of
// the binary. Without such an argument it is the launcher, which starts them all and acts as the cluster's node itself
// or, with --node=real, starts a real one in its own namespaces (as root). It is for tests and demonstrations and
// cannot run other workloads: pods are small programs inside the launcher, or containers of them.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	// The upstream commands register JSON logs, client metrics and version metrics by these imports.
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlerror "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"

	"fairlead/build/cluster/isolation"
)

func main() {
	component := filepath.Base(os.Args[0])
	if !isComponent(component) && len(os.Args) > 1 && isComponent(os.Args[1]) {
		os.Args = os.Args[1:]
		component = os.Args[0]
	}
	switch component {
	case isolation.InitName:
		os.Exit(isolation.Init(os.Args[1:]))
	case isolation.JanitorName:
		os.Exit(isolation.Janitor(os.Args[1:]))
	case "kubelet":
		runKubelet()
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(controllermanager.NewControllerManagerCommand()))
	case "kube-scheduler":
		os.Exit(cli.Run(scheduler.NewSchedulerCommand()))
	case "kubectl":
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			kubectlerror.CheckErr(err)
		}
	default:
		// Children die with the thread that started them, so the launcher keeps this one until the process ends.
		runtime.LockOSThread()
		if err := run(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "cluster:", err)
			os.Exit(1)
		}
	}
}

func isComponent(name string) bool {
	switch name {
	case "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kubelet",
		isolation.InitName, isolation.JanitorName:
		return true
	}
	return false
}
