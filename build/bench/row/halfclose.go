package row

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"fairlead/build/bench/far"
	"fairlead/build/bench/report"
	"fairlead/build/bench/way"
)

const (
	echoedBytes = 1 << 20
	endWithin   = 7 // seconds
)

// halfClose measures clients that half-close first: what they still receive, and when the connection ends.
func halfClose(ctx context.Context, l *Lab) ([]report.Measure, error) {
	late := report.Measure{Work: "lines of 5 that come after the client's FIN", Goals: []report.Goal{{AtLeast: far.Lines}}}
	whole := report.Measure{Work: "1 MiB echoed whole, FIN, then EOF", Unit: "s", Lower: true, Goals: []report.Goal{{AtMost: endWithin}}}
	answer := report.Measure{Work: "the end, of a program that answers after EOF", Unit: "s", Lower: true, Goals: []report.Goal{{AtMost: endWithin}}}
	target := l.target()
	err := l.interleave(ctx, schedule{
		kinds: l.kinds(false), r: none, targets: []way.Target{target}, rounds: 2, fresh: true,
		do: func(ctx context.Context, t turn) error {
			var wg sync.WaitGroup
			wg.Go(func() { record(&late, t.name, func() (float64, error) { return lateLines(ctx, t.way, target) }) })
			wg.Go(func() { record(&whole, t.name, func() (float64, error) { return echoedWhole(ctx, t.way, target) }) })
			wg.Go(func() {
				record(&answer, t.name, func() (float64, error) { return endAfterFIN(ctx, t.way, target) })
			})
			wg.Wait()
			return nil
		},
	}, &late, &whole, &answer)
	return []report.Measure{late, whole, answer}, err
}

// record adds a sample to a measure, or the failure of this measure only.
func record(m *report.Measure, subject string, measure func() (float64, error)) {
	value, err := measure()
	if err != nil {
		m.Fail(subject, err)
		return
	}
	m.Add(subject, value)
}

func finish(conn net.Conn) error {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.New("the client's connection has no half-close")
	}
	return half.CloseWrite()
}

// lateLines counts the lines that arrive after the FIN.
func lateLines(ctx context.Context, w way.Way, target way.Target) (float64, error) {
	conn, err := connect(ctx, w, target)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte{byte(far.Late)}); err != nil {
		return 0, err
	}
	if err := finish(conn); err != nil {
		return 0, err
	}
	text, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, fmt.Errorf("%d lines, and no end: %w", bytes.Count(text, []byte("\n")), err)
	}
	return float64(bytes.Count(text, []byte("\n"))), nil
}

// echoedWhole sends, half-closes and reads to the end. It returns the seconds from the FIN to the end; a lost byte is
// an error.
func echoedWhole(ctx context.Context, w way.Way, target way.Target) (float64, error) {
	conn, err := connect(ctx, w, target)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	sent := make([]byte, echoedBytes)
	for i := range sent {
		sent[i] = byte(i * 2654435761 >> 13)
	}
	finished := make(chan time.Time, 1)
	go func() {
		defer close(finished)
		if _, err := conn.Write(append([]byte{byte(far.Echo)}, sent...)); err == nil && finish(conn) == nil {
			finished <- time.Now()
		}
	}()
	back, readErr := io.ReadAll(conn)
	end := time.Now()
	begun, ok := <-finished
	if !ok || !bytes.Equal(sent, back) {
		return 0, errors.Join(fmt.Errorf("%d of %d bytes came back", len(back), len(sent)), readErr)
	}
	return end.Sub(begun).Seconds(), readErr
}

// endAfterFIN returns the seconds from the FIN to the end, whatever is received before.
func endAfterFIN(ctx context.Context, w way.Way, target way.Target) (float64, error) {
	conn, err := connect(ctx, w, target)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "%csome bytes\n", far.Answer); err != nil {
		return 0, err
	}
	if err := finish(conn); err != nil {
		return 0, err
	}
	begun := time.Now()
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, fmt.Errorf("no end: %w", err)
	}
	return time.Since(begun).Seconds(), nil
}
