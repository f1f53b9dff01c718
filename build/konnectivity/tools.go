//go:build tools

// Package konnectivity requires the programs of a Konnectivity server and of its agent, which package clustertest builds.
package konnectivity

import (
	_ "sigs.k8s.io/apiserver-network-proxy/cmd/agent"
	_ "sigs.k8s.io/apiserver-network-proxy/cmd/server"
)
