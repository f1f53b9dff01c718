package konnectivity

import (
	"io"
	"strings"
	"sync/atomic"
	"testing"
)

// A read that was under way at Close may still return bytes. No reader takes them, so they must not count.
func TestNothingCountsAfterClose(t *testing.T) {
	var total atomic.Int64
	a := newAhead(&total)
	a.close()
	if stalled := a.fill(io.MultiReader(strings.NewReader("late"), strings.NewReader("more"))); stalled {
		t.Error("it is stalled")
	}
	if n := total.Load(); n != 0 {
		t.Errorf("%d bytes wait for readers", n)
	}
}
