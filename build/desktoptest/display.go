//go:build linux

package desktoptest

import (
	"bufio"
	"bytes"
	"fmt"
	"image"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// background is the background colour of the screen, as red, green and blue.
const background = 0x3b5b76

// startDisplay starts an X server on a free display number. The server chooses the number and reports it when it
// accepts connections.
func (d *Desktop) startDisplay(t testing.TB) {
	t.Helper()
	number, tell, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = number.Close() }()
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-nolisten", "tcp",
		"-screen", "0", fmt.Sprintf("%dx%dx24", d.options.Width, d.options.Height))
	cmd.ExtraFiles = []*os.File{tell}
	server := d.start(t, cmd)
	_ = tell.Close()
	if err := number.SetReadDeadline(time.Now().Add(bound)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(number).ReadString('\n')
	if err != nil {
		t.Fatalf("wait for the X server: %v\n%s", err, server.Output())
	}
	d.env["DISPLAY"] = ":" + strings.TrimSpace(line)
	// It logs that it finds no cookie, which this server does not need.
	xgb.Logger.SetOutput(io.Discard)
	d.display, err = xgb.NewConnDisplay(d.env["DISPLAY"])
	if err != nil {
		t.Fatalf("connect to the X server: %v", err)
	}
	if err := paint(d.display, background); err != nil {
		t.Fatal(err)
	}
}

// Size returns the size of the screen, in pixels.
func (d *Desktop) Size() image.Point { return image.Pt(d.options.Width, d.options.Height) }

// MovePointer moves the pointer in steps: menus follow a pointer that moves, not one that jumps.
func (d *Desktop) MovePointer(t testing.TB, x, y int) {
	t.Helper()
	if d.options.Plasma { // menus of Qt take several steps, some pixels apart, for a movement
		d.command(t, "xdotool", "mousemove", fmt.Sprint(x-8), fmt.Sprint(y-4), "sleep", "0.03",
			"mousemove", fmt.Sprint(x-4), fmt.Sprint(y-2), "sleep", "0.03", "mousemove", fmt.Sprint(x), fmt.Sprint(y))
		return
	}
	d.command(t, "xdotool", "mousemove", fmt.Sprint(x-1), fmt.Sprint(y-1), "mousemove_relative", "--sync", "1", "1")
}

// Click moves the pointer and presses its first button.
func (d *Desktop) Click(t testing.TB, x, y int) {
	t.Helper()
	d.MovePointer(t, x, y)
	d.command(t, "xdotool", "click", "1")
}

// MiddleClick moves the pointer and presses its middle button.
func (d *Desktop) MiddleClick(t testing.TB, x, y int) {
	t.Helper()
	d.MovePointer(t, x, y)
	d.command(t, "xdotool", "click", "2")
}

// Key presses keys one after the other, by their X names: "Down", "Return", "Escape".
func (d *Desktop) Key(t testing.TB, keys ...string) {
	t.Helper()
	d.command(t, "xdotool", append([]string{"key", "--delay", "30"}, keys...)...)
}

// Clipboard returns the text in the clipboard, or "" if there is none.
func (d *Desktop) Clipboard(t testing.TB) string {
	t.Helper()
	// xclip fails if there is no selection, or none that is text.
	text, err := d.Output(t, "xclip", "-selection", "clipboard", "-target", "UTF8_STRING", "-out")
	if err != nil {
		return ""
	}
	return text
}

// WaitStill waits until nothing on the screen has changed for a while: menus are drawn after they have a place, and open
// after the pointer has rested. The panel is left out, where Plasma lets an icon pulsate.
func (d *Desktop) WaitStill(t testing.TB) {
	t.Helper()
	root := xproto.Setup(d.display).DefaultScreen(d.display).Root
	top := panelHeight
	if d.options.Plasma {
		top = 0
	}
	var before []byte
	var since time.Time
	waitFor(t, "the screen to be still", nil, func() bool {
		now, err := xproto.GetImage(d.display, xproto.ImageFormatZPixmap, xproto.Drawable(root), 0, int16(top),
			uint16(d.options.Width), uint16(d.options.Height-panelHeight), 0xffffffff).Reply()
		if err != nil {
			t.Fatalf("read the screen: %v", err)
		}
		if !bytes.Equal(now.Data, before) {
			before, since = now.Data, time.Now()
		}
		return time.Since(since) > 700*time.Millisecond
	})
}

// Screenshot writes a picture of a part of the screen, or of all of it if area is empty, as a PNG file.
func (d *Desktop) Screenshot(t testing.TB, file string, area image.Rectangle) {
	t.Helper()
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	if area.Empty() {
		area = image.Rectangle{Max: d.Size()}
	}
	area = area.Intersect(image.Rectangle{Max: d.Size()})
	d.command(t, "import", "-silent", "-window", "root", "-crop",
		fmt.Sprintf("%dx%d+%d+%d", area.Dx(), area.Dy(), area.Min.X, area.Min.Y), "+repage", "-strip", "png:"+path)
}
