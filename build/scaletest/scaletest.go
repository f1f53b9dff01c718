// Package scaletest checks that work grows in proportion to the number of contexts: it compares the cost of a thousand
// with that of ten thousand, so that the result does not depend on how fast or busy the machine is.
package scaletest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

const (
	few, many = 1000, 10000
	// The bounds are for the cost of a context among many, divided by the cost among few. Tables that grow by doubling
	// and small processor caches make it more than 1; a quadratic algorithm makes it 10.
	maxAllocations = 1.3
	maxProcessor   = 2.5
	runs           = 5 // the cheapest counts
)

// Linear fails the test if work on many contexts costs more per context than work on few, in allocations and, where the
// system reports it, in processor time. prepare sets up n contexts and returns the work to measure.
func Linear(t *testing.T, prepare func(t *testing.T, n int) (work func())) {
	t.Helper()
	// The collector runs between the measurements: in them, it would add what depends on the memory of the whole program.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	a, b := measure(prepare(t, few)), measure(prepare(t, many))
	perContext := func(count func(cost) float64) float64 {
		return count(b) / many / (count(a) / few)
	}
	allocations := perContext(func(c cost) float64 { return float64(c.allocations) })
	processor := perContext(func(c cost) float64 { return c.processor.Seconds() })
	t.Logf("%d contexts: %d allocations, %d KiB, %s; %d: %d, %d KiB, %s; for each context × %.2f allocations, × %.2f processor time",
		few, a.allocations, a.bytes>>10, a.processor, many, b.allocations, b.bytes>>10, b.processor, allocations, processor)
	if allocations > maxAllocations {
		t.Errorf("a context among %d takes %.2f times the allocations of one among %d", many, allocations, few)
	}
	if processor > maxProcessor {
		t.Errorf("a context among %d takes %.2f times the processor time of one among %d", many, processor, few)
	}
}

// A cost is the cost of one run.
type cost struct {
	allocations, bytes uint64
	processor          time.Duration
}

func measure(work func()) cost {
	var least cost
	for run := range runs {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := processorTime()
		work()
		took := processorTime() - began
		runtime.ReadMemStats(&after)
		c := cost{after.Mallocs - before.Mallocs, after.TotalAlloc - before.TotalAlloc, max(took, time.Microsecond)}
		if run == 0 {
			least = c
		}
		least.allocations, least.bytes = min(least.allocations, c.allocations), min(least.bytes, c.bytes)
		least.processor = min(least.processor, c.processor)
	}
	return least
}

// Kubeconfig returns a kubeconfig with n contexts, each with its own cluster and user.
func Kubeconfig(n int) string {
	var clusters, users, contexts strings.Builder
	for i := range n {
		fmt.Fprintf(&clusters, "- {name: cluster-%d, cluster: {server: \"https://10.0.%d.%d:6443\"}}\n", i, i/256, i%256)
		fmt.Fprintf(&users, "- {name: user-%d, user: {token: token-%d}}\n", i, i)
		fmt.Fprintf(&contexts, "- {name: %s, context: {cluster: cluster-%d, user: user-%d, namespace: web}}\n", Name(i), i, i)
	}
	return "apiVersion: v1\nkind: Config\ncurrent-context: " + Name(0) + "\nclusters:\n" + clusters.String() + "users:\n" + users.String() + "contexts:\n" + contexts.String()
}

// Name returns the name of the context with number i.
func Name(i int) string { return fmt.Sprintf("team%d-region%d-ctx-%d", i%7, i%40, i) }

// File writes Kubeconfig(n) to a temporary file of the test and returns its path.
func File(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte(Kubeconfig(n)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
