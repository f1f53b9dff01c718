package settings

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"
)

func TestWhatAClusterHasIsRememberedAsFarAsItFits(t *testing.T) {
	h := newHome(t, "")
	s := h.load()
	before := s.Effective("a").Fingerprint()
	seen := Seen{Ranges: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/12"), netip.MustParsePrefix("fd00:96::/112")}, Namespaces: []string{"dev", "shop"}}
	must(t, s.SetSeen("a", seen))
	if got := h.load().Seen("a"); !reflect.DeepEqual(got, seen) {
		t.Errorf("%+v", got)
	}
	if s.Effective("a").Fingerprint() != before {
		t.Error("a running proxy would have to apply it")
	}
	for i := range 1000 {
		seen.Ranges = append([]netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.%d.%d.0/24", i/256, i%256))}, seen.Ranges...)
		seen.Namespaces = append(seen.Namespaces, fmt.Sprint("namespace-", i))
	}
	must(t, s.SetSeen("a", seen))
	got := s.Seen("a")
	if n := len(got.Ranges); n < 50 || n > 100 || got.Ranges[0].Bits() != 12 {
		t.Errorf("%d ranges, the first %v", n, got.Ranges[0])
	}
	if n := len(got.Namespaces); n < 50 || n > 100 {
		t.Errorf("%d namespaces", n)
	}
	if got := s.Seen("b"); len(got.Ranges)+len(got.Namespaces) != 0 {
		t.Errorf("of a context never seen: %+v", got)
	}
}
