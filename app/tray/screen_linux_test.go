package tray

import (
	"testing"

	"github.com/godbus/dbus/v5"
)

func TestHeightIsOfTheScreenWithThePanel(t *testing.T) {
	a, b := connector{Name: "eDP-1"}, connector{Name: "DP-1"}
	current := map[string]dbus.Variant{"is-current": dbus.MakeVariant(true)}
	monitors := []monitor{
		{a, []mode{{Width: 1024, Height: 768}, {Width: 2880, Height: 1800, Properties: current}}, nil},
		{b, []mode{{Width: 2560, Height: 1440, Properties: current}}, nil},
	}
	for _, test := range []struct {
		what    string
		screens []logicalMonitor
		want    int
	}{
		{"scaled by two", []logicalMonitor{{Scale: 2, Primary: true, Monitors: []connector{a}}, {Scale: 1, Monitors: []connector{b}}}, 900},
		{"the other one", []logicalMonitor{{Scale: 2, Monitors: []connector{a}}, {Scale: 1, Primary: true, Monitors: []connector{b}}}, 1440},
		{"turned", []logicalMonitor{{Scale: 1, Transform: 3, Primary: true, Monitors: []connector{b}}}, 2560},
		{"scaled by a fraction", []logicalMonitor{{Scale: 1.25, Primary: true, Monitors: []connector{b}}}, 1152},
	} {
		if got, err := heightOf(monitors, test.screens); err != nil || got != test.want {
			t.Errorf("%s: %d, %v; want %d", test.what, got, err, test.want)
		}
	}
	for _, screens := range [][]logicalMonitor{nil, {{Scale: 1, Monitors: []connector{a}}}, {{Scale: 0, Primary: true, Monitors: []connector{a}}}} {
		if got, err := heightOf(monitors, screens); err == nil {
			t.Errorf("%v: %d", screens, got)
		}
	}
}
