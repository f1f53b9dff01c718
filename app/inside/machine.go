package inside

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// An OverlapError reports that this machine has a route into the range for names, so that hosts there could not be reached.
type OverlapError struct {
	Range, Route netip.Prefix
	Free         netip.Prefix // a range that no route leads into; not valid if none was found
}

func (e *OverlapError) Error() string {
	text := fmt.Sprintf("addresses for names are from %s, and this machine has a route to %s", e.Range, e.Route)
	if e.Free.IsValid() {
		text += fmt.Sprintf(": --vip-range %s is free", e.Free)
	}
	return text
}

// spareRanges are ranges that are rarely used: that of benchmarks (RFC 2544), the end of that of carriers (RFC 6598), and one
// of those for documentation (RFC 5737).
var spareRanges = []netip.Prefix{
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.18.0.0/16"), netip.MustParsePrefix("198.19.0.0/16"),
	netip.MustParsePrefix("100.127.0.0/16"), netip.MustParsePrefix("203.0.113.0/24"),
}

// leastBits is the shortest prefix of a route that counts. A shorter one is a default route, or one of two halves of it.
const leastBits = 4

// checkRange returns an *OverlapError if one of the routes leads into a range.
func checkRange(r netip.Prefix, routes []netip.Prefix) error {
	overlaps := func(r netip.Prefix) int {
		return slices.IndexFunc(routes, func(route netip.Prefix) bool { return route.Bits() >= leastBits && route.Overlaps(r) })
	}
	at := overlaps(r)
	if at < 0 {
		return nil
	}
	err := &OverlapError{Range: r, Route: routes[at]}
	if free := slices.IndexFunc(spareRanges, func(s netip.Prefix) bool { return overlaps(s) < 0 }); free >= 0 {
		err.Free = spareRanges[free]
	}
	return err
}

// machineRoutes returns this machine's routes for IPv4; none if they cannot be read.
func machineRoutes() []netip.Prefix {
	text, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return nil
	}
	return parseRoutes(string(text))
}

// parseRoutes parses /proc/net/route, in which the second column has destinations and the eighth has masks.
func parseRoutes(text string) (routes []netip.Prefix) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 8 {
			continue
		}
		to, toErr := hex.DecodeString(fields[1])
		mask, maskErr := hex.DecodeString(fields[7])
		if toErr != nil || maskErr != nil || len(to) != 4 || len(mask) != 4 {
			continue // the title
		}
		// The file has an address as a number in the machine's byte order.
		address := binary.NativeEndian.AppendUint32(nil, binary.BigEndian.Uint32(to))
		ones := bits.OnesCount32(binary.BigEndian.Uint32(mask))
		routes = append(routes, netip.PrefixFrom(netip.AddrFrom4([4]byte(address)), ones))
	}
	return routes
}

// machineSearch returns the domains in which this machine looks for short names.
func machineSearch() []string {
	text, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return nil
	}
	return parseSearch(string(text))
}

// parseSearch parses a resolv.conf, of whose lines for domains the last counts.
func parseSearch(text string) (domains []string) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) > 1 && (fields[0] == "search" || fields[0] == "domain") {
			domains = slices.DeleteFunc(fields[1:], func(d string) bool { return d == "." })
		}
	}
	return domains
}
