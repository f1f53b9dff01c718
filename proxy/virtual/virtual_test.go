package virtual

import (
	"fmt"
	"net/netip"
	"testing"
)

func table(t *testing.T, v4 string) *Table {
	t.Helper()
	table, err := New(netip.MustParsePrefix(v4), netip.MustParsePrefix("fd00:1::/64"), 4)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestANameKeepsItsAddresses(t *testing.T) {
	table := table(t, "198.18.0.0/15")
	for range 2 {
		for i, name := range []string{"a", "b", "c"} {
			v4, v6 := table.Addresses(name)
			if v4.String() != fmt.Sprintf("198.18.0.%d", 4+i) || v6.String() != fmt.Sprintf("fd00:1::%d", 4+i) {
				t.Errorf("%s has %s and %s", name, v4, v6)
			}
			for _, a := range []netip.Addr{v4, v6, netip.AddrFrom16(v4.As16())} {
				if got, ok := table.Name(a); !ok || got != name {
					t.Errorf("%s is %q, %t", a, got, ok)
				}
			}
		}
	}
	for _, a := range []string{"198.18.0.1", "198.18.0.7", "198.19.255.255", "192.0.2.1", "fd00:1::1", "fd00:1::7", "fd00:1:0:0:1::4", "fd00:2::4"} {
		if name, ok := table.Name(netip.MustParseAddr(a)); ok {
			t.Errorf("%s is %q", a, name)
		}
	}
}

// Without reserved addresses, the first name has number 0, and only the addresses of the ranges stand for it.
func TestAnAddressOutsideTheRangesHasNoName(t *testing.T) {
	table, err := New(netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("fd00:1::/64"), 0)
	if err != nil {
		t.Fatal(err)
	}
	table.Addresses("first")
	for address, want := range map[string]bool{"198.18.0.0": true, "fd00:1::": true, "192.0.2.1": false, "fd00:2::": false} {
		if name, ok := table.Name(netip.MustParseAddr(address)); ok != want {
			t.Errorf("%s is %q, %t", address, name, ok)
		}
	}
}

// When all addresses are given out, the name that was not used for longest loses its own.
func TestAddressesAreGivenBack(t *testing.T) {
	table := table(t, "192.0.2.0/28") // 4 are reserved, and one is that of broadcasts
	first := map[string]netip.Addr{}
	for i := range 11 {
		name := fmt.Sprint("name", i)
		first[name], _ = table.Addresses(name)
	}
	if last := first["name10"]; last.String() != "192.0.2.14" {
		t.Errorf("the last address is %s", last)
	}
	if _, ok := table.Name(first["name0"]); !ok { // a connection uses it
		t.Fatal("name0 has lost its address")
	}
	got, _ := table.Addresses("new")
	if got != first["name1"] {
		t.Errorf("new has %s, not that of name1, %s", got, first["name1"])
	}
	if name, _ := table.Name(first["name0"]); name != "name0" {
		t.Errorf("the address of name0 is that of %q", name)
	}
	if again, _ := table.Addresses("name1"); again != first["name2"] {
		t.Errorf("name1 has %s, not that of name2", again)
	}
}

func TestRangesThatAreTooSmall(t *testing.T) {
	for _, v4 := range []string{"192.0.2.0/29", "192.0.2.1/32"} {
		if _, err := New(netip.MustParsePrefix(v4), netip.MustParsePrefix("fd00:1::/64"), 4); err == nil {
			t.Errorf("%s is taken", v4)
		}
	}
}
