//go:build linux

package desktoptest

import (
	"encoding/json"
	"fmt"
	"image"
	"strings"
	"testing"
	"time"
)

// Drawn returns the menu as GNOME Shell has drawn it, on a desktop with GNOME only.
func (d *Desktop) Drawn(t testing.TB) Drawn {
	t.Helper()
	drawn, err := d.drawn()
	if err != nil {
		t.Fatal(err)
	}
	return drawn
}

func (d *Desktop) drawn() (Drawn, error) {
	var text string
	if err := d.shell().Call(shellName+".Menu", 0).Store(&text); err != nil {
		return Drawn{}, fmt.Errorf("read GNOME Shell's menu: %w", err)
	}
	var drawn Drawn
	err := json.Unmarshal([]byte(text), &drawn)
	splitDrawn(drawn.Rows)
	return drawn, err
}

func splitDrawn(rows []DrawnRow) {
	for i := range rows {
		r := &rows[i]
		r.Sign, _, r.Checked, r.Label = splitSigns(r.Label)
		splitDrawn(r.Rows)
	}
}

// openGNOMEMenu is OpenMenu for GNOME Shell.
func (d *Desktop) openGNOMEMenu(t testing.TB) image.Rectangle {
	t.Helper()
	var drawn Drawn
	var err error
	var clicked time.Time
	pause := 500 * time.Millisecond
	waitFor(t, "a menu to open", d.panel.Output, func() bool {
		if drawn, err = d.drawn(); err == nil && drawn.Open && drawn.Box.Height > 0 {
			return true
		}
		// As in OpenMenu: a click opens, another one closes.
		if err == nil && drawn.Icon.Width > 0 && time.Since(clicked) > pause {
			d.Click(t, drawn.Icon.Middle().X, drawn.Icon.Middle().Y)
			clicked = time.Now()
			pause *= 2
		}
		return false
	})
	return drawn.Box.Rectangle()
}

func (d *Desktop) closeGNOMEMenu(t testing.TB) {
	t.Helper()
	waitFor(t, "the menu to close", d.panel.Output, func() bool {
		drawn, err := d.drawn()
		if err == nil && !drawn.Open {
			return true
		}
		d.Key(t, "Escape")
		return false
	})
}

// pointInGNOME is Point for GNOME Shell, where a click opens a submenu inside the menu itself, which may scroll.
func (i *TrayItem) pointInGNOME(t testing.TB, labels ...string) []image.Rectangle {
	t.Helper()
	d := i.desktop
	d.openGNOMEMenu(t)
	var before, drawn Drawn
	var err error
	var acted time.Time
	describe := func() string { return fmt.Sprintf("it has drawn (%v): %+v", err, drawn) }
	waitFor(t, "the pointer to reach "+strings.Join(labels, " → "), describe, func() bool {
		before = drawn
		if drawn, err = d.drawn(); err != nil {
			return false
		}
		if time.Since(acted) < time.Second {
			return false // the last action may still add and remove lines
		}
		if !drawn.Open {
			d.openGNOMEMenu(t)
			acted = time.Now()
			return false
		}
		for depth := range labels {
			row, ok := drawn.At(labels[:depth+1]...)
			was, known := before.At(labels[:depth+1]...)
			if !ok || !known || row.Box != was.Box {
				return false // still being drawn
			}
			last := depth == len(labels)-1
			if !last && row.Open {
				continue
			}
			at := row.Seen.Middle()
			switch {
			case row.View.Height == 0:
			case row.Seen.Height < min(row.Box.Height, row.View.Height)/3:
				d.scroll(t, row.View.Middle(), row.Box.Middle().Y > row.View.Middle().Y)
				acted = time.Now()
			case last:
				d.MovePointer(t, at.X, at.Y)
				return true
			default:
				d.Click(t, at.X, at.Y)
				acted = time.Now()
			}
			return false
		}
		return false
	})
	return []image.Rectangle{drawn.Box.Rectangle()}
}

// scroll turns the wheel by one notch with the pointer at a point.
func (d *Desktop) scroll(t testing.TB, at image.Point, down bool) {
	t.Helper()
	button := "4"
	if down {
		button = "5"
	}
	d.MovePointer(t, at.X, at.Y)
	d.command(t, "xdotool", "click", button)
}
