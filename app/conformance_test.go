package main

import (
	"testing"

	"fairlead/build/conformance"
)

// The way into a cluster must be as good a Dialer as any other, because package proxy treats it as one.
func TestClusterIsADialer(t *testing.T) {
	for _, carrier := range []string{"spdy", "websocket"} {
		t.Run(carrier, func(t *testing.T) { conformance.Run(t, cluster, carrier, conformance.Silent(t)) })
	}
}
