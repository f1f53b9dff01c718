package desktop

import (
	"testing"
	"time"

	"fairlead/build/desktoptest"
)

func TestAMenuOnTheScreenIsSeen(t *testing.T) {
	d := desktoptest.Start(t, desktoptest.Options{Panel: true})
	t.Setenv("DISPLAY", d.Getenv("DISPLAY"))
	t.Setenv("WAYLAND_DISPLAY", "")
	is := func(want bool) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			shown, known := MenuShown(t.Context())
			if known && shown == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("MenuShown() = %t, %t; want %t", shown, known, want)
			}
		}
	}
	is(false)
	// The panel's own menu.
	d.OpenPanelMenu(t)
	is(true)
	d.CloseMenu(t)
	is(false)
	t.Setenv("WAYLAND_DISPLAY", "wayland-0")
	if shown, known := MenuShown(t.Context()); shown || known {
		t.Errorf("MenuShown() = %t, %t under Wayland", shown, known)
	}
}
