//go:build linux

package desktoptest

import (
	"encoding/json"
	"fmt"
	"image"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// WaitCards waits until a number of notifications are on the screen, none of which moves or grows, and returns their
// areas. GNOME Shell shows one at a time, and opens it under the pointer, which is moved there. Dunst draws all of them
// in one area.
func (d *Desktop) WaitCards(t testing.TB, want int) []image.Rectangle {
	t.Helper()
	var cards, before []image.Rectangle
	var since time.Time
	describe := func() string { return fmt.Sprintf("there are: %v", cards) }
	waitFor(t, fmt.Sprint(want, " notifications on the screen"), describe, func() bool {
		before, cards = cards, d.cards(t)
		if !slices.Equal(cards, before) || d.displayed(t, cards) != want {
			since = time.Now()
			return false
		}
		if at := cards[0].Min.Add(image.Pt(40, 20)); d.options.GNOME && time.Since(since) < 200*time.Millisecond {
			d.MovePointer(t, at.X, at.Y)
		}
		return time.Since(since) > 2*time.Second
	})
	return cards
}

// cards returns the areas of the notifications on the screen.
func (d *Desktop) cards(t testing.TB) []image.Rectangle {
	t.Helper()
	if !d.options.GNOME {
		cards, err := openCards(d.display)
		if err != nil {
			t.Fatal(err)
		}
		return cards
	}
	var text string
	if err := d.shell().Call(shellName+".Banner", 0).Store(&text); err != nil {
		t.Fatalf("read GNOME Shell's notification: %v", err)
	}
	var banner Box
	if err := json.Unmarshal([]byte(text), &banner); err != nil {
		t.Fatal(err)
	}
	if banner.Height == 0 {
		return nil
	}
	return []image.Rectangle{banner.Rectangle()}
}

// displayed returns how many notifications are in these areas.
func (d *Desktop) displayed(t testing.TB, cards []image.Rectangle) int {
	t.Helper()
	if d.options.Notifications != Dunst || len(cards) == 0 {
		return len(cards)
	}
	text := d.command(t, "dunstctl", "count", "displayed")
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		t.Fatalf("dunstctl: %q", text)
	}
	return n
}

// CloseCards closes the notifications on the screen.
func (d *Desktop) CloseCards(t testing.TB) {
	t.Helper()
	service := d.bus.Object(notificationsName, notificationsPath)
	d.MovePointer(t, d.options.Width/2, d.options.Height/2) // one under the pointer may stay
	waitFor(t, "the notifications to close", nil, func() bool {
		if d.options.GNOME { // which lets only their program close them
			if err := d.shell().Call(shellName+".CloseBanner", 0).Err; err != nil {
				t.Fatalf("close GNOME Shell's notification: %v", err)
			}
			return len(d.cards(t)) == 0
		}
		for id := range uint32(100) {
			// A service may not know the number, or refuse to close what it has closed already.
			_ = service.Call(notificationsName+".CloseNotification", 0, id+1).Err
		}
		return len(d.cards(t)) == 0
	})
}
