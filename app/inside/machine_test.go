package inside

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
)

const routes = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT                                                       
eth0	00000000	0100000A	0003	0	0	0	00000000	0	0	0                                                                           
tun0	00000080	00000000	0001	0	0	0	00000080	0	0	0                                                                           
eth0	0000000A	00000000	0001	0	0	0	00FFFFFF	0	0	0                                                                           
vpn0	000013C6	00000000	0001	0	0	0	0000FFFF	0	0	0                                                                           
`

func TestARangeWithARouteIsNotTaken(t *testing.T) {
	found := parseRoutes(routes)
	want := []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("128.0.0.0/1"), netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("198.19.0.0/16"),
	}
	if !slices.Equal(found, want) {
		t.Fatalf("the routes are %s, want %s", found, want)
	}
	err := checkRange(netip.MustParsePrefix("198.18.0.0/15"), found)
	overlap, ok := errors.AsType[*OverlapError](err)
	if !ok || overlap.Route.String() != "198.19.0.0/16" || overlap.Free.String() != "198.18.0.0/16" {
		t.Errorf("got %v", err)
	}
	for _, free := range []string{"198.18.0.0/16", "100.64.0.0/16"} {
		if err := checkRange(netip.MustParsePrefix(free), found); err != nil {
			t.Errorf("%s: %v", free, err)
		}
	}
	if err := checkRange(netip.MustParsePrefix("10.0.0.0/8"), found); err == nil {
		t.Error("10.0.0.0/8 is taken")
	}
}

func TestTheLastSearchListCounts(t *testing.T) {
	for text, want := range map[string][]string{
		"nameserver 127.0.0.53\nsearch corp.example lab.example\n": {"corp.example", "lab.example"},
		"domain a.example\nsearch b.example\n":                     {"b.example"},
		"search .\n":                                               {},
		"":                                                         nil,
	} {
		if got := parseSearch(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q", text, got)
		}
	}
}
