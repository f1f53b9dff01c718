//go:build node

package nodetest

import (
	"context"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"fairlead/build/clustertest"
	"fairlead/build/desktoptest"
)

// TestARefusalIsNotified connects to a port on which nothing listens, through the desktop program.
func TestARefusalIsNotified(t *testing.T) {
	onEachCluster(t, func(t *testing.T, c *clustertest.Cluster) {
		program, err := built()
		if err != nil {
			t.Fatal(err)
		}
		d := desktoptest.Start(t, desktoptest.Options{Panel: true, Notifications: desktoptest.Recorder})
		d.Run(t, program, "--kubeconfig", c.Kubeconfig)
		command := func(args ...string) (string, error) {
			run := exec.Command(program, args...)
			run.Env = d.Env()
			out, err := run.CombinedOutput()
			return string(out), err
		}
		var address string
		eventually(t, "the context is on", func() bool {
			if _, err := command("on", "demo"); err != nil {
				return false // the program is still starting
			}
			out, err := command("status")
			address = regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(out)
			return err == nil && address != ""
		})
		p := &product{t: t, address: address}
		ctx, cancel := context.WithTimeout(t.Context(), requestTimeout)
		defer cancel()
		if conn, err := p.socks(ctx, "refused.default.svc", 80); err == nil {
			conn.Close()
			t.Error("the client is told that it is connected to a port on which nothing listens")
		}
		d.WaitNotification(t, "of the refused connection", func(n desktoptest.Notification) bool {
			return strings.Contains(n.Body, "refused.default.svc") && strings.Contains(n.Body, "Nothing is listening on port")
		})
	})
}
