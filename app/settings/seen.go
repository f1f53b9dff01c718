package settings

import (
	"net/netip"
	"slices"
	"strings"
)

// maxSeen bounds each list saved for one cluster, in bytes, so that the state of thousands of contexts stays readable.
const maxSeen = 1 << 10

// A Seen is what was last learned about a context's cluster. It may be out of date.
type Seen struct {
	Ranges     []netip.Prefix // of its Services and Pods
	Namespaces []string
}

// Seen returns what is saved about a context's cluster. It does not read the file.
func (s *Settings) Seen(name string) Seen {
	now := s.store.remembered(name)
	seen := Seen{Namespaces: strings.Fields(now.Namespaces)}
	for _, text := range strings.Fields(now.Ranges) {
		if p, err := netip.ParsePrefix(text); err == nil {
			seen.Ranges = append(seen.Ranges, p)
		}
	}
	return seen
}

// SetSeen saves what is known about a context's cluster: the widest ranges, and as many namespaces as fit.
func (s *Settings) SetSeen(name string, seen Seen) error {
	ranges := slices.Clone(seen.Ranges)
	slices.SortStableFunc(ranges, func(a, b netip.Prefix) int { return a.Bits() - b.Bits() })
	var texts []string
	for _, p := range ranges {
		texts = append(texts, p.String())
	}
	now := s.store.remembered(name)
	before := now
	now.Ranges, now.Namespaces = joinFitting(texts), joinFitting(seen.Namespaces)
	if now == before {
		return nil
	}
	return s.store.change(name, func(c *contextState) { c.Ranges, c.Namespaces = now.Ranges, now.Namespaces })
}

// joinFitting joins as many words as may be saved.
func joinFitting(words []string) string {
	length := 0
	for i, word := range words {
		if length += len(word) + 1; length > maxSeen {
			return strings.Join(words[:i], " ")
		}
	}
	return strings.Join(words, " ")
}
