//go:build linux

package desktoptest

import (
	"testing"

	"github.com/godbus/dbus/v5"
)

func TestUpdatedPropertiesChangeOneEntry(t *testing.T) {
	label := func(text string) map[string]dbus.Variant {
		return map[string]dbus.Variant{"label": dbus.MakeVariant(text)}
	}
	entry := func(id int32, text string, children ...dbus.Variant) []any { return []any{id, label(text), children} }
	before, err := decodeLayout([]any{uint32(7), entry(0, "",
		dbus.MakeVariant(entry(1, "one")), dbus.MakeVariant(entry(2, "two", dbus.MakeVariant(entry(3, "three")))))})
	if err != nil {
		t.Fatal(err)
	}
	after := before.withProperties(3, label("drei"))
	for of, want := range map[*layout]string{&before: "one\ntwo\n    three\n", &after: "one\ntwo\n    drei\n"} {
		menu, err := node(*of, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := menu.String(); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	}
}

func TestMalformedMenuIsAnError(t *testing.T) {
	for _, root := range []any{"text", []any{int32(0)}, []any{int32(0), map[string]dbus.Variant{}, []dbus.Variant{dbus.MakeVariant(1)}}} {
		if _, err := decodeLayout([]any{uint32(1), root}); err == nil {
			t.Errorf("%v was decoded", root)
		}
	}
}
