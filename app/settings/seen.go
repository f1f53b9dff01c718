package settings

import (
	"net/netip"
	"slices"
)

// maxSeen bounds each list saved for one cluster, in bytes, so that the state of thousands of contexts stays readable.
const maxSeen = 1 << 10

// learned is what the program has learned and keeps in the state: the approved plugins, and what was seen of clusters.
type learned struct{ store *Store }

// A Seen is what was last learned about a context's cluster. It may be out of date.
type Seen struct {
	Ranges     []netip.Prefix // of its Services and Pods
	Namespaces []string
}

// Seen returns what is saved about a context's cluster. It does not read the file.
func (l learned) Seen(name string) Seen {
	now := l.store.remembered(name)
	seen := Seen{Namespaces: slices.Clone(now.Namespaces)}
	for _, text := range now.Ranges {
		if p, err := netip.ParsePrefix(text); err == nil {
			seen.Ranges = append(seen.Ranges, p)
		}
	}
	return seen
}

// SetSeen saves what is known about a context's cluster: the widest ranges, and as many namespaces as fit.
func (l learned) SetSeen(name string, seen Seen) error {
	ranges := slices.Clone(seen.Ranges)
	slices.SortStableFunc(ranges, func(a, b netip.Prefix) int { return a.Bits() - b.Bits() })
	var texts []string
	for _, p := range ranges {
		texts = append(texts, p.String())
	}
	known := l.store.remembered(name)
	next := known
	next.Ranges, next.Namespaces = fitting(texts), fitting(seen.Namespaces)
	if next.equal(known) {
		return nil
	}
	return l.store.change(name, func(c *contextState) { c.Ranges, c.Namespaces = next.Ranges, next.Namespaces })
}

// fitting returns a copy of as many words as may be saved.
func fitting(words []string) []string {
	length := 0
	for i, word := range words {
		if length += len(word) + 1; length > maxSeen {
			return slices.Clone(words[:i])
		}
	}
	return slices.Clone(words)
}
