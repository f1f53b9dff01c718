//go:build !unix

package scaletest

import "time"

// processorTime is unknown here: the allocations alone count.
func processorTime() time.Duration { return 0 }
