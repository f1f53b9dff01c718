package main

import (
	"context"
	"os"

	"k8s.io/component-base/cli"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// runKubelet is the kubelet's main function. Like the real node it exists on Linux only.
func runKubelet() { os.Exit(cli.Run(kubelet.NewKubeletCommand(context.Background()))) }
