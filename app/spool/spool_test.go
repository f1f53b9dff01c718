package spool

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A gate is a destination that hangs until it is opened, or fails.
type gate struct {
	open    chan struct{}
	failing error
	text    strings.Builder
}

func (g *gate) Write(line []byte) (int, error) {
	<-g.open
	if g.failing != nil {
		return 0, g.failing
	}
	return g.text.Write(line)
}

func lost(n int) []byte { return fmt.Appendf(nil, "lost %d\n", n) }

func TestNoWriterWaitsForAPlaceThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		w := New(Config{To: g, Lost: lost})
		go w.Run()
		line := []byte(strings.Repeat("x", 1023) + "\n")
		write := func(n int) {
			for range n {
				if n, err := w.Write(line); n != len(line) || err != nil {
					t.Fatalf("Write() = %d, %v", n, err)
				}
			}
		}
		write(1)
		synctest.Wait() // Run hangs with the first line
		write(maxSize/len(line) + 5)
		if err := w.Close(time.Second); !errors.Is(err, ErrUnwritten) {
			t.Errorf("Close() = %v while the place hangs", err)
		}
		close(g.open)
		if err := w.Close(time.Second); err != nil {
			t.Errorf("Close() = %v", err)
		}
		text := g.text.String()
		if lines := strings.Count(text, "x\n"); lines != 1+maxSize/len(line) {
			t.Errorf("%d lines written", lines)
		}
		if !strings.HasSuffix(text, "x\nlost 5\n") {
			t.Errorf("it ends with %q", text[len(text)-20:])
		}
	})
}

func TestLinesWrittenBeforeCloseAreThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		close(g.open)
		w := New(Config{To: g, Lost: lost})
		buffer := []byte("one\n")
		w.Write(buffer)
		copy(buffer, "xxx") // the buffer belongs to the caller again
		go w.Run()
		w.Write([]byte("two\n"))
		if err := w.Close(time.Second); err != nil || g.text.String() != "one\ntwo\n" {
			t.Errorf("Close() = %v, written %q", err, g.text.String())
		}
		w.Write([]byte("too late\n"))
	})
}

func TestFailuresAreReportedOnceAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{}), failing: errors.New("disk full")}
		close(g.open)
		var told []error
		w := New(Config{To: g, Lost: lost, Failed: func(err error) { told = append(told, err) }})
		go w.Run()
		for range 3 {
			w.Write([]byte("x\n"))
			synctest.Wait()
		}
		if len(told) != 1 {
			t.Errorf("reported %v", told)
		}
		g.failing = nil
		w.Write([]byte("y\n"))
		if err := w.Close(time.Second); err != nil || g.text.String() != "lost 3\ny\n" {
			t.Errorf("Close() = %v, written %q", err, g.text.String())
		}
	})
}
