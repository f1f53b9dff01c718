package kubeconfig

import (
	"cmp"
	"slices"
	"strings"
)

// The limits of Closest: names beyond maxCompared bytes are compared by prefix only, and maxClosest are returned at most.
const (
	maxCompared = 128
	maxClosest  = 3
)

// Closest returns the names among contexts that a user who typed name may have meant, the likeliest first, three at
// most: those that differ from it in few letters, and those that contain it or begin like it. Case does not matter.
func Closest(name string, contexts []Context) []string {
	typed := strings.ToLower(name)
	type candidate struct {
		name     string
		distance int
	}
	var candidates []candidate
	for _, c := range contexts {
		if d, close := nameDistance(typed, strings.ToLower(c.Name)); close {
			candidates = append(candidates, candidate{c.Name, d})
		}
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int { return cmp.Compare(a.distance, b.distance) })
	var names []string
	for _, c := range candidates[:min(len(candidates), maxClosest)] {
		names = append(names, c.name)
	}
	return names
}

// nameDistance returns a smaller number the likelier it is that a stands for b, and false if it hardly does.
func nameDistance(a, b string) (int, bool) {
	if a == "" || b == "" {
		return 0, false
	}
	if len(a) <= maxCompared && len(b) <= maxCompared {
		if d := editDistance(a, b); d <= max(1, len(a)/3) {
			return d, true
		}
	}
	// Names given by cloud tools are long paths of which people type a part.
	if strings.Contains(b, a) || strings.HasPrefix(a, b) {
		return maxCompared + max(len(a), len(b)) - min(len(a), len(b)), true
	}
	return 0, false
}

// editDistance returns the Levenshtein distance in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			substitute := diagonal
			if a[i-1] != b[j-1] {
				substitute++
			}
			diagonal = row[j]
			row[j] = min(substitute, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
