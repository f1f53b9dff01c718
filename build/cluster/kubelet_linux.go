package main

import (
	"context"
	"os"

	"k8s.io/component-base/cli"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// runKubelet is the kubelet's main; it is Linux's alone, as the real node is.
func runKubelet() { os.Exit(cli.Run(kubelet.NewKubeletCommand(context.Background()))) }
