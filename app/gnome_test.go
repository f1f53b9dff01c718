//go:build linux && gnome

package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fairlead/build/desktoptest"
)

// onGNOME is a desktop with GNOME Shell and a screen of some height, and Fairlead on a kubeconfig with these contexts, whose cluster
// nobody answers for.
func onGNOME(t *testing.T, height int, contexts ...string) *onDesktop {
	t.Helper()
	d := newDesktop(t, desktoptest.Options{GNOME: true, Notifications: desktoptest.Recorder, Width: 1366, Height: height}, contexts...)
	d.start(t, write(t, filepath.Join(d.Home(), "contexts.yaml"), contextsNamed(contexts...)))
	d.icon.WaitShown(t)
	return d
}

// sameAsDrawn waits until GNOME Shell has drawn what it was told, in that order.
func (d *onDesktop) sameAsDrawn(t *testing.T) {
	t.Helper()
	var drawn string
	done := false
	defer func() {
		if !done {
			t.Log(drawn)
		}
	}()
	d.icon.WaitFor(t, "GNOME Shell to draw the menu it was told of", func(menu desktoptest.Node) bool {
		drawn = drawnLabels(d.Drawn(t).Rows, "")
		if told := toldLabels(menu.Children, ""); told != drawn {
			drawn = "drawn:\n" + drawn + "told:\n" + told
			return false
		}
		return true
	})
	done = true
}

func drawnLabels(rows []desktoptest.DrawnRow, indent string) (text string) {
	for _, row := range rows {
		if !row.Separator {
			text += fmt.Sprintf("%s%q checked=%t\n%s", indent, row.Label, row.Checked, drawnLabels(row.Rows, indent+"  "))
		}
	}
	return text
}

func toldLabels(nodes []desktoptest.Node, indent string) (text string) {
	for _, n := range nodes {
		if n.Visible && !n.Separator {
			text += fmt.Sprintf("%s%q checked=%t\n%s", indent, n.Label, n.Checked, toldLabels(n.Children, indent+"  "))
		}
	}
	return text
}

func TestGNOMEDrawsWhatItIsTold(t *testing.T) {
	var names []string
	for i := range 14 {
		names = append(names, fmt.Sprintf("cluster-%02d", i))
	}
	d := onGNOME(t, 768, names...)
	d.sameAsDrawn(t)
	for _, name := range slices.Backward(names[3:9]) {
		d.clickRow(t, name)
		d.sameAsDrawn(t)
	}
	d.icon.Click(t, "All off")
	d.sameAsDrawn(t)
}

// clickRow clicks the row of a context, wherever it is.
func (d *onDesktop) clickRow(t *testing.T, name string) {
	t.Helper()
	d.icon.ClickNode(t, d.row(t, name, "to be there", func(desktoptest.Node) bool { return true }))
	d.row(t, name, "to be degraded", func(n desktoptest.Node) bool { return strings.HasSuffix(n.Label, "(degraded)") })
}
