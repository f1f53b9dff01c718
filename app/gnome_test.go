//go:build linux && desktops

package main

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"fairlead/build/desktoptest"
)

// onGNOME returns a desktop with GNOME Shell and a screen of some height, with Fairlead on a kubeconfig with these
// contexts, whose cluster does not respond.
func onGNOME(t *testing.T, height int, contexts ...string) *onDesktop {
	t.Helper()
	d := newDesktop(t, desktoptest.Options{GNOME: true, Notifications: desktoptest.Recorder, Width: 1366, Height: height}, contexts...)
	d.start(t, write(t, filepath.Join(d.Home(), "contexts.yaml"), contextsNamed(contexts...)))
	d.icon.WaitShown(t)
	return d
}

// sameAsDrawn waits until GNOME Shell has drawn the entries, in their order.
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
		if told := sentLabels(menu.Children, ""); told != drawn {
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

func sentLabels(nodes []desktoptest.Node, indent string) (text string) {
	for _, n := range nodes {
		if n.Visible && !n.Separator {
			text += fmt.Sprintf("%s%q checked=%t\n%s", indent, n.Label, n.Checked, sentLabels(n.Children, indent+"  "))
		}
	}
	return text
}

func TestGNOMEDrawsTheMenu(t *testing.T) {
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
	d.icon.Click(t, "Stop all")
	d.sameAsDrawn(t)
}

func TestGNOMEShowsWhatThePointerDid(t *testing.T) {
	d := onGNOME(t, 768, "a", "b_c_")
	d.icon.ClickWithMouse(t, "b_c_")
	d.waitTrouble(t, "b_c_", unreachable)
	d.icon.WaitFor(t, "a red icon", func(desktoptest.Node) bool { return d.red(t) })
	d.OpenMenu(t)
	d.sameAsDrawn(t)
	d.CloseMenu(t)
	d.icon.ClickWithMouse(t, d.in(t, "b_c_", "Stop")...)
	d.waitOff(t, "b_c_")
	d.icon.WaitFor(t, "an icon without red", func(desktoptest.Node) bool { return !d.red(t) })
	d.OpenMenu(t)
	d.sameAsDrawn(t)
}

// red reports whether the visible icon is the one for a failure.
func (d *onDesktop) red(t *testing.T) bool {
	t.Helper()
	file := filepath.Join(d.Home(), "icon.png")
	d.Screenshot(t, file, d.Drawn(t).Icon.Rectangle())
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	area := picture.Bounds()
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			if r, g, b, _ := picture.At(x, y).RGBA(); r>>8 > 180 && g>>8 < 90 && b>>8 < 90 {
				return true
			}
		}
	}
	return false
}

func TestGNOMESubmenusHaveRoomOnALowScreen(t *testing.T) {
	var names []string
	for i := range 14 {
		names = append(names, fmt.Sprintf("cluster-%02d", i))
	}
	d := onGNOME(t, 768, names...)
	d.fitsTheScreen(t)
	for _, name := range names[:8] {
		d.clickRow(t, name)
	}
	d.sameAsDrawn(t)
	d.fitsTheScreen(t)
	if area := d.icon.Point(t, d.in(t, "cluster-03", "Options")...)[0]; !area.In(image.Rectangle{Max: d.Size()}) {
		t.Errorf("the menu is at %v", area)
	}
	var seen int
	d.Drawn(t).Walk(func(row desktoptest.DrawnRow, depth int) {
		if depth > 0 && row.Seen.Height > row.Box.Height/2 {
			seen++
		}
		if row.Cut {
			t.Errorf("%q has no room", row.Label)
		}
	})
	if seen < 8 {
		t.Errorf("%d lines of the submenu are seen", seen)
	}
	d.fitsTheScreen(t)
	d.sameAsDrawn(t)
	d.icon.ClickWithMouse(t, "Quit")
	if code := d.program.Wait(t); code != 0 {
		t.Errorf("fairlead ended with %d", code)
	}
}

// fitsTheScreen opens the menu, checks that its last line can be clicked, and closes it.
func (d *onDesktop) fitsTheScreen(t *testing.T) {
	t.Helper()
	d.icon.WaitFor(t, "the menu to fit the screen", func(desktoptest.Node) bool {
		menu := d.OpenMenu(t)
		return menu.In(image.Rectangle{Max: d.Size()})
	})
	d.CloseMenu(t)
}

func TestGNOMEShowsTheIconAgain(t *testing.T) {
	d := onGNOME(t, 768, "a")
	for _, what := range []struct {
		name string
		do   func()
	}{
		{"extension", func() { d.SetExtension(t, false); d.SetExtension(t, true) }},
		{"shell", func() { d.RestartPanel(t) }},
	} {
		what.do()
		d.icon.WaitShown(t)
		d.icon.WaitFor(t, "the icon after the "+what.name+" was started again", func(desktoptest.Node) bool { return d.Drawn(t).Icon.Width > 0 })
		d.OpenMenu(t)
		d.sameAsDrawn(t)
		d.CloseMenu(t)
	}
}

// clickRow starts a context, wherever its row is.
func (d *onDesktop) clickRow(t *testing.T, name string) {
	t.Helper()
	d.icon.Click(t, d.startOf(t, name)...)
	d.waitTrouble(t, name, unreachable)
}

// GNOME Shell requests what lines show after it has made the lines, when it has time.
func TestGNOMENeverShowsLinesThatAreBlankOrBelowTheScreen(t *testing.T) {
	d := newDesktop(t, desktoptest.Options{GNOME: true, Notifications: desktoptest.Recorder, Width: 1366, Height: 768})
	d.Setenv("KUBECONFIG", manyContexts(t, d.Home()))
	d.run(t)
	var quit desktoptest.DrawnRow
	for reads := 0; quit.Label == ""; reads++ {
		drawn := d.Drawn(t)
		for _, row := range drawn.Rows {
			if !row.Separator && row.Label == "" {
				t.Fatalf("at read %d a line is blank: %+v", reads, drawn)
			}
		}
		if len(drawn.Rows) == 0 && !d.program.Running() {
			t.Fatalf("fairlead ended: %s", d.program.Stderr())
		}
		quit, _ = drawn.At("Quit")
	}
	if menu := d.OpenMenu(t); !menu.In(image.Rectangle{Max: d.Size()}) {
		t.Errorf("the menu is at %v", menu)
	}
}

func TestGNOMETakesFewClicks(t *testing.T) { doTasks(t, desktoptest.Options{GNOME: true}) }

func TestGNOMEForwardsAServiceByAClick(t *testing.T) {
	forwardByClicks(t, desktoptest.Options{GNOME: true})
}

func TestGNOMERefusesHostsOutsideByAClick(t *testing.T) {
	refuseOutsideByClicks(t, desktoptest.Options{GNOME: true})
}

func TestGNOMEPassesOnAMiddleClick(t *testing.T) {
	d := onGNOME(t, 768, "a")
	d.configure(t, "middle-click: copy-url\n")
	d.middleClick(t, func() image.Point { return d.Drawn(t).Icon.Middle() }, "Not copied")
}
