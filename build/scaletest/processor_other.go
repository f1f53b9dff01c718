//go:build !unix

package scaletest

import "time"

// processorTime returns 0: it is unknown on these systems, where only allocations count.
func processorTime() time.Duration { return 0 }
