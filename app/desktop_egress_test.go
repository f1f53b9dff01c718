//go:build linux

package main

import (
	"strings"
	"testing"

	"fairlead/build/desktoptest"
)

// By clicks, a forward proxy is deployed in production after two questions, and is then a route like the others.
func TestAClickDeploysWhatLeadsThroughTheCluster(t *testing.T) {
	namespace := egressNamespace(t, "egress-menu", "")
	d := newDesktop(t, desktoptest.Options{Panel: true, Notifications: desktoptest.Recorder}, "demo")
	d.configure(t, "contexts: {demo: {namespace: egress-menu, production: true}}\n")
	d.start(t, noCurrent)
	d.command(t, "on", "demo", "--yes")
	const through = "Connect through the cluster"
	inRoutes := func(route string, labels ...string) []string {
		return d.in(t, "PROD demo", append([]string{"Outside the cluster: " + route}, labels...)...)
	}
	d.icon.Click(t, inRoutes("direct", through, "Yes, in production (it asks again)")...)
	d.icon.WaitAt(t, inRoutes("direct", through, "Deploy it in production")...)
	if there := objects(t, namespace); there != "" {
		t.Fatalf("made after one question:\n%s", there)
	}
	d.icon.ClickWithMouse(t, inRoutes("direct", through, "Deploy it in production")...)
	eventually(t, "the Deployment", func() bool { return strings.Contains(objects(t, namespace), "Deployment fairlead-egress") })
	kubectl(t, "patch", "deployment", "fairlead-egress", "-n", namespace, "-p", `{"spec":{"template":{"metadata":{"annotations":{"fairlead.test/program":"echo"}}}}}`)
	d.waitTitle(t, "demo: hosts outside go through the cluster")
	d.icon.WaitAt(t, inRoutes("through the cluster", through)...)
	d.waitChecked(t, through, true)
	d.icon.Click(t, inRoutes("through the cluster", "Connect directly")...)
	d.icon.Click(t, inRoutes("direct", through)...)
	d.icon.WaitAt(t, inRoutes("through the cluster", through)...)
	d.command(t, "egress", "remove", "demo", "--kubeconfig", noCurrent)
	d.icon.WaitAt(t, inRoutes("direct", through, "Yes, in production (it asks again)")...)
	if left := objects(t, namespace); left != "" {
		t.Errorf("left:\n%s", left)
	}
}
