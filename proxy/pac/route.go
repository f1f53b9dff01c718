package pac

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// maxRoutes bounds the routes of a script, in bytes.
const maxRoutes = 12 << 10

// A Route is how some hosts outside the cluster are reached.
type Route struct {
	// Name is a pattern in lower case, in which * stands for any text and ? for one character; "*" alone matches addresses,
	// too. It is empty for a route of addresses.
	Name   string
	Prefix netip.Prefix
	Port   uint16 // 0 for any
	Direct bool   // the browser connects by itself; otherwise the proxy decides
}

// routeList returns routes as [name, prefix, port, direct], of which name is a regular expression or empty, and prefix a
// list as prefixList has it. whole is false if they do not all fit; then those that come first are there.
func routeList(routes []Route) (list string, whole bool) {
	var b strings.Builder
	for _, r := range routes {
		prefix := "[]"
		if r.Prefix.IsValid() {
			prefix = strings.TrimSuffix(strings.TrimPrefix(prefixList([]netip.Prefix{r.Prefix}), "["), "]")
		}
		entry := fmt.Sprintf("[%s,%s,%d,%t]", quote(expression(r.Name)), prefix, r.Port, r.Direct)
		if b.Len()+len(entry) >= maxRoutes {
			return "[" + b.String() + "]", false
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(entry)
	}
	return "[" + b.String() + "]", true
}

// expression returns a pattern as a regular expression of JavaScript.
func expression(pattern string) string {
	if pattern == "" {
		return ""
	}
	quoted := regexp.QuoteMeta(pattern)
	return "^" + strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(quoted) + "$"
}
