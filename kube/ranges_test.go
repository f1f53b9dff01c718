package kube

import (
	"net/netip"
	"slices"
	"testing"

	"fairlead/kube/objects"
)

func TestOnlyPrivateRangesAreBelieved(t *testing.T) {
	got := privateRanges([]string{
		"10.96.0.0/16", "10.96.0.0/16", "10.244.3.7/24", "::ffff:10.97.0.0/112", "fd00:10:96::/112", "100.64.0.0/10", "192.168.0.0/16",
		"0.0.0.0/0", "10.0.0.0/7", "8.8.8.0/24", "100.64.0.0/9", "172.16.0.0/11", "fc00::/7", "2001:db8::/64", "127.0.0.0/8", "169.254.0.0/16",
		"10.96.0.0", "nonsense", "",
	})
	var want []netip.Prefix
	for _, text := range []string{
		"10.96.0.0/16", "10.244.3.0/24", "10.97.0.0/16", "fd00:10:96::/112", "100.64.0.0/10", "192.168.0.0/16",
	} {
		want = append(want, netip.MustParsePrefix(text))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func FuzzRange(f *testing.F) {
	f.Add("10.96.0.0/16")
	f.Add("::ffff:10.0.0.0/104")
	f.Add("fd00::/48")
	f.Fuzz(func(t *testing.T, text string) {
		for _, p := range privateRanges([]string{text}) {
			if !isPrivate(p.Addr()) || !isPrivate(last(p)) || !p.Contains(last(p)) || p != p.Masked() {
				t.Errorf("%q gives %v, up to %v", text, p, last(p))
			}
			if next := last(p).Next(); next.IsValid() && p.Contains(next) {
				t.Errorf("%v goes on behind %v", p, last(p))
			}
		}
	})
}

func TestSeenAddressesAreBounded(t *testing.T) {
	s := newSeen()
	addr := netip.MustParseAddr("10.0.0.1")
	for range 3 * maxSeen {
		s.addPod(objects.PodKey{Namespace: "ns", Name: "p"}, []netip.Addr{addr})
		addr = addr.Next()
	}
	if n := len(s.hints); n > maxSeen || n < maxSeen/2 {
		t.Errorf("%d are remembered", n)
	}
}

// A hostile API server that claims every private range gets at most one of them.
func TestRangesTogetherAreNoMoreThanTheWidest(t *testing.T) {
	for _, c := range []struct{ given, want []string }{
		{[]string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"}, []string{"10.0.0.0/8"}},
		{[]string{"10.0.0.0/8", "10.96.0.0/12", "10.244.0.0/16"}, []string{"10.0.0.0/8", "10.96.0.0/12", "10.244.0.0/16"}},
		{[]string{"10.0.0.0/9", "172.16.0.0/12", "10.128.0.0/9", "192.168.0.0/16"}, []string{"10.0.0.0/9", "172.16.0.0/12", "192.168.0.0/16"}},
		{[]string{"fd00::/32", "fd01::/32", "10.96.0.0/12"}, []string{"fd00::/32", "10.96.0.0/12"}},
	} {
		var want []netip.Prefix
		for _, text := range c.want {
			want = append(want, netip.MustParsePrefix(text))
		}
		if got := privateRanges(c.given); !slices.Equal(got, want) {
			t.Errorf("%v gives %v, want %v", c.given, got, want)
		}
	}
}
