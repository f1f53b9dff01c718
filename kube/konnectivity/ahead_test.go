package konnectivity

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A read that was under way at Close may still return bytes. No reader takes them, so they must not count.
func TestNothingCountsAfterClose(t *testing.T) {
	var total budget
	a := newReadAhead(&total)
	a.close()
	if stalled := a.fill(io.MultiReader(strings.NewReader("late"), strings.NewReader("more"))); stalled {
		t.Error("it is stalled")
	}
	if n := total.used.Load(); n != 0 {
		t.Errorf("%d bytes wait for readers", n)
	}
}

// filled returns a connection's read-ahead that has come to its share, and what fill returns in the end. It runs in a bubble
// of testing/synctest, as the tests that call it do: they sleep by its fake clock, which takes no time.
func filled(total *budget, size int) (a *readAhead, stalled <-chan bool) {
	a = newReadAhead(total)
	end := make(chan bool, 1)
	go func() { end <- a.fill(bytes.NewReader(make([]byte, size))) }()
	synctest.Wait()
	return a, end
}

// The readers of other connections may use all of the budget for a while. A connection that waits for room because of that
// reads again as soon as they release some, even if its own reader takes nothing.
func TestAConnectionReadsAgainWhenOthersMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var total budget
		total.add(aheadOfAll)
		a, stalled := filled(&total, 1<<20)
		if a.size != aheadAtLeast {
			t.Fatalf("%d bytes were read ahead", a.size)
		}
		time.Sleep(stalledFor - time.Second)
		total.release(aheadOfAll)
		synctest.Wait()
		select {
		case cut := <-stalled:
			if cut || a.size != 1<<20 {
				t.Errorf("cut: %t, with %d bytes", cut, a.size)
			}
		default:
			t.Error("it still waits for room")
			<-stalled
		}
	})
}

// A connection is cut when its reader takes less than a part in stalledFor, whatever else the reader does.
func TestAReaderThatTakesTooLittleIsCut(t *testing.T) {
	for name, act := range map[string]func(a *readAhead){
		"deadlines": func(a *readAhead) { a.setDeadline(time.Now().Add(time.Hour)) },
		"drops":     func(a *readAhead) { _, _ = a.Read(make([]byte, 1)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, stalled := filled(&budget{}, aheadOfOne+1<<20)
				for range 10 {
					time.Sleep(stalledFor * 3 / 4)
					act(a)
				}
				select {
				case cut := <-stalled:
					if !cut {
						t.Error("it was not cut")
					}
				default:
					t.Error("it still holds up the others")
				}
				a.close()
				synctest.Wait()
			})
		})
	}
}

// A reader that is slow, but takes its parts in time, gets everything.
func TestASlowReaderIsNotCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = aheadOfOne + 1<<20
		a, stalled := filled(&budget{}, size)
		got := 0
		for got < size {
			time.Sleep(stalledFor * 3 / 8)
			n, err := a.Read(make([]byte, partSize/2))
			if got += n; err != nil {
				t.Fatal(err)
			}
		}
		if <-stalled {
			t.Error("it was cut")
		}
	})
}
